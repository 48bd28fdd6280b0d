// Small faces to choose from: buttons, so that they work with mouse, keyboard and screen reader alike.

export default {
  render({ model, el }) {
    el.classList.add("dfe");
    const list = el.appendChild(document.createElement("div"));
    list.className = "dfe-gallery";
    list.setAttribute("role", "radiogroup");
    let url = null, faces = [];

    const choose = (button) => {
      model.set("selected", Number(button.dataset.code));
      model.save_changes();
    };
    const build = () => {
      const sheet = model.get("sheet"), [width, height, columns] = model.get("shape");
      if (url) URL.revokeObjectURL(url);
      url = URL.createObjectURL(new Blob([sheet], { type: "image/webp" }));
      list.setAttribute("aria-label", model.get("label"));
      list.style.maxHeight = model.get("height");
      list.replaceChildren();
      const captions = model.get("captions"), names = model.get("names");
      faces = model.get("order").map(([code, place], i) => {
        const button = document.createElement("button");
        Object.assign(button, { type: "button", title: `token ${code}: ${names[i]}` });
        button.dataset.code = code;
        button.setAttribute("role", "radio");
        button.setAttribute("aria-label", `token ${code}: ${names[i]}`);
        const picture = button.appendChild(document.createElement("span"));
        picture.style.cssText = `width:${width}px;height:${height}px;background-image:url(${url});` +
          `background-position:${-(place % columns) * width}px ${-Math.floor(place / columns) * height}px`;
        button.appendChild(document.createElement("small")).textContent = captions[i];
        button.addEventListener("click", () => choose(button));
        return list.appendChild(button);
      });
      list.dataset.faces = faces.length;
      mark();
    };
    const mark = () => {
      const chosen = faces.find((f) => Number(f.dataset.code) === model.get("selected"));
      for (const face of faces) {
        face.setAttribute("aria-checked", face === chosen);
        face.tabIndex = face === (chosen ?? faces[0]) ? 0 : -1;
      }
    };
    list.addEventListener("keydown", (event) => {
      const at = faces.indexOf(document.activeElement), first = faces[0];
      if (at < 0) return;
      const across = Math.max(1, faces.filter((f) => f.offsetTop === first.offsetTop).length);
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
      const to = event.key === "Home" ? 0 : event.key === "End" ? faces.length - 1 : step && at + step;
      if (to === undefined || !faces[to]) return;
      event.preventDefault();
      event.stopPropagation();
      faces[to].focus();
      choose(faces[to]);
    });
    build();
    model.on("change:built", build); // sent after all of what is built
    model.on("change:selected", mark);
    return () => URL.revokeObjectURL(url);
  },
};
