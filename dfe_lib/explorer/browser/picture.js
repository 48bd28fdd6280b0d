// One frame of the video, its landmarks above it as dots that can be switched off.

export default {
  render({ model, el }) {
    el.classList.add("dfe");
    const box = el.appendChild(document.createElement("div"));
    box.className = "dfe-picture";
    const canvas = box.appendChild(document.createElement("canvas"));
    const note = box.appendChild(document.createElement("p"));
    canvas.setAttribute("role", "img");
    let count = 0;

    const show = async () => {
      const jpeg = model.get("jpeg"), points = model.get("points");
      note.textContent = model.get("note");
      canvas.setAttribute("aria-label", model.get("label"));
      canvas.hidden = !jpeg.byteLength;
      if (canvas.hidden) return;
      const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      Object.assign(canvas, { width: picture.width, height: picture.height });
      const pen = canvas.getContext("2d");
      pen.drawImage(picture, 0, 0);
      const xy = new Float32Array(points.buffer.slice(points.byteOffset, points.byteOffset + points.byteLength));
      pen.fillStyle = "#56B4E9";
      for (let i = 0; model.get("dots") && i < xy.length; i += 2) pen.fillRect(xy[i] - 0.75, xy[i + 1] - 0.75, 1.5, 1.5);
      canvas.dataset.drawn = ++count;
    };
    show();
    model.on("change:frame", show); // sent after picture and points
    model.on("change:dots", show);
  },
};
