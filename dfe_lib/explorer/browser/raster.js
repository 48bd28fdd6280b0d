// Tokens over time: a row per stage, a column per frame, never less than a pixel each. The bitmap is made once; scrolling
// copies a window of it.

const ROW = 24, GUTTER = 64, AXIS = 26, TILE = 8192, TEXT = 26;
const PLAY_MS = 100; // between two updates; slower than one takes, so that they do not pile up

const bytes = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);

export default {
  render({ model, el }) {
    el.classList.add("dfe");
    const box = el.appendChild(document.createElement("div"));
    box.className = "dfe-raster";
    box.innerHTML = `<div class="dfe-tools"><span class="dfe-legend"></span><span class="dfe-readout"></span>
      <button type="button"></button>
      <button type="button" aria-label="Zoom out in time" title="Zoom out">−</button>
      <button type="button" aria-label="Zoom in in time" title="Zoom in">+</button></div>
      <div class="dfe-scroll"><div><canvas tabindex="0" role="slider"></canvas></div></div>`;
    const [legend, readout, play, out, into] = box.firstElementChild.children;
    const scroll = box.querySelector(".dfe-scroll"), spacer = scroll.firstElementChild;
    const canvas = box.querySelector("canvas"), pen = canvas.getContext("2d");
    let codes, time, n, stages, tiles = [], zoom = 0, due = false, row = 0, count = 0, timer = null;

    const width = () => Math.max(200, scroll.clientWidth - GUTTER);
    const least = () => Math.max(1, width() / n);
    const playing = (on) => {
      clearInterval(timer);
      timer = on ? setInterval(tick, PLAY_MS) : null;
      play.textContent = on ? "❚❚ pause" : "▶ play";
      play.setAttribute("aria-label", on ? "Pause the recording" : "Play the recording");
    };
    const tick = () => {
      const step = Math.max(1, Math.round((PLAY_MS / 1000) * (n - 1) / Math.max(time[n - 1] - time[0], 1e-3)));
      if (model.get("cursor") >= n - 1) playing(false);
      else go(model.get("cursor") + step);
    };
    const toggle = () => {
      if (!timer && model.get("cursor") >= n - 1) go(0);
      playing(!timer);
    };
    const load = () => {
      playing(false);
      codes = new Int16Array(bytes(model.get("codes")));
      time = new Float64Array(bytes(model.get("time_s")));
      n = time.length;
      stages = codes.length / n;
      zoom = Math.min(least(), 40);
      row = Math.min(row, stages - 1);
      scroll.scrollLeft = 0;
      colour();
    };
    const colour = () => {
      const colours = new Uint8Array(bytes(model.get("colours"))), only = model.get("only");
      tiles = [];
      for (let start = 0; start < n; start += TILE) {
        const tile = document.createElement("canvas");
        tile.width = Math.min(TILE, n - start);
        tile.height = stages;
        const image = new ImageData(tile.width, stages);
        for (let f = 0; f < tile.width; f++)
          for (let s = 0; s < stages; s++) {
            const code = codes[(start + f) * stages + s], at = 4 * (s * tile.width + f);
            const faded = only >= 0 && code !== only;
            for (let c = 0; c < 3; c++)
              image.data[at + c] = code < 0 ? 255 : faded ? 236 : only >= 0 ? [0, 79, 148][c] : colours[3 * code + c];
            image.data[at + 3] = 255;
          }
        tile.getContext("2d").putImageData(image, 0, 0);
        tiles.push(tile);
      }
      legend.replaceChildren();
      for (const [text, rgb] of model.get("legend")) {
        const item = legend.appendChild(document.createElement("span"));
        item.innerHTML = `<i style="background:rgb(${rgb})"></i>`;
        item.append(text);
      }
      resize();
    };
    const resize = () => {
      const ratio = window.devicePixelRatio || 1, height = stages * ROW + AXIS;
      zoom = Math.max(zoom, least());
      spacer.style.width = `${Math.round(n * zoom) + GUTTER}px`;
      canvas.style.width = `${width() + GUTTER}px`;
      canvas.style.height = `${height}px`;
      canvas.width = Math.round((width() + GUTTER) * ratio);
      canvas.height = Math.round(height * ratio);
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      draw();
    };
    const draw = () => { if (!due) { due = true; requestAnimationFrame(paint); } };
    const x = (frame) => GUTTER + frame * zoom - scroll.scrollLeft;
    const paint = () => {
      due = false;
      const first = Math.floor(scroll.scrollLeft / zoom), last = Math.min(n, Math.ceil((scroll.scrollLeft + width()) / zoom));
      const font = (px) => { pen.font = `${px}px system-ui, sans-serif`; };
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, width() + GUTTER, stages * ROW + AXIS);
      pen.imageSmoothingEnabled = false;
      tiles.forEach((tile, t) => {
        const from = Math.max(first, t * TILE), to = Math.min(last, t * TILE + tile.width);
        if (to > from)
          pen.drawImage(tile, from - t * TILE, 0, to - from, stages, x(from), 0, (to - from) * zoom, stages * ROW);
      });
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      font(12);
      const colours = new Uint8Array(bytes(model.get("colours"))), only = model.get("only");
      for (let s = 0; s < stages; s++) {
        for (let a = first, b; a < last; a = b) {
          const code = codes[a * stages + s];
          for (b = a + 1; b < last && codes[b * stages + s] === code; b++);
          const dark = only >= 0 ? code === only : colours[3 * code] + 1.6 * colours[3 * code + 1] < 330;
          pen.fillStyle = dark ? "#fff" : "#222";
          if (code >= 0 && (b - a) * zoom >= TEXT) pen.fillText(code, (x(a) + x(b)) / 2, (s + 0.5) * ROW);
        }
        pen.fillStyle = "#fff";
        pen.fillRect(GUTTER, s * ROW - 0.5, width(), 1.5);
      }
      axis(first, last, font);
      const at = x(model.get("cursor") + 0.5);
      pen.fillStyle = "#111";
      if (at >= GUTTER) {
        pen.fillRect(at - 1, 0, 2, stages * ROW + 5);
        pen.strokeStyle = "#111";
        pen.lineWidth = 2;
        pen.strokeRect(at - Math.max(zoom, 6) / 2, row * ROW, Math.max(zoom, 6), ROW);
      }
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, GUTTER, stages * ROW + AXIS);
      pen.fillStyle = "#333";
      pen.textAlign = "right";
      font(13);
      for (let s = 0; s < stages; s++) pen.fillText(`stage ${s + 1}`, GUTTER - 8, (s + 0.5) * ROW);
      pen.fillText("time", GUTTER - 8, stages * ROW + 15);
      say();
      Object.assign(canvas.dataset, { drawn: ++count, first, last, cursor: model.get("cursor"), zoom: zoom.toFixed(2) });
    };
    const axis = (first, last, font) => {
      const span = Math.max(time[last - 1] - time[first], 0.04), rough = span / Math.max(2, width() / 110);
      const power = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= rough);
      pen.fillStyle = "#333";
      font(12);
      for (let f = first; f < last; f++)
        if (f === 0 || Math.floor(time[f] / step) !== Math.floor(time[f - 1] / step)) {
          pen.fillRect(x(f), stages * ROW, 1, 5);
          const text = `${+(Math.floor(time[f] / step + 1e-6) * step).toFixed(3)} s`;
          pen.fillText(text, Math.max(x(f), GUTTER + 12), stages * ROW + 15);
        }
    };
    const say = () => {
      const f = model.get("cursor"), code = codes[f * stages + row];
      const what = code < 0 ? "no face" : `token ${code}: ${model.get("names")[code]}`;
      readout.textContent = `frame ${f} · stage ${row + 1} · ${what}`;
      const values = { valuemin: 0, valuemax: n - 1, valuenow: f, valuetext: readout.textContent, label: model.get("label") };
      for (const [name, value] of Object.entries(values)) canvas.setAttribute(`aria-${name}`, value);
    };
    const go = (frame, choosing = false) => {
      const to = Math.max(0, Math.min(n - 1, frame));
      model.set("cursor", to);
      if (choosing) model.set("picked", [to, row, Date.now()]);
      model.save_changes();
      follow();
    };
    const follow = () => {
      const at = model.get("cursor") * zoom;
      if (at < scroll.scrollLeft || at > scroll.scrollLeft + width() - zoom) scroll.scrollLeft = at - 0.2 * width();
      draw();
    };
    const near = (factor) => {
      const middle = model.get("cursor");
      zoom = Math.max(least(), Math.min(40, zoom * factor));
      resize();
      scroll.scrollLeft = middle * zoom - width() / 2;
    };
    canvas.addEventListener("click", (event) => {
      const at = canvas.getBoundingClientRect();
      row = Math.max(0, Math.min(stages - 1, Math.floor((event.clientY - at.top) / ROW)));
      go(Math.floor((event.clientX - at.left - GUTTER + scroll.scrollLeft) / zoom), true);
    });
    canvas.addEventListener("keydown", (event) => {
      const here = model.get("cursor"), far = Math.round(width() / zoom / 2);
      const to = {
        ArrowLeft: here - 1, ArrowRight: here + 1, PageUp: here - far, PageDown: here + far, Home: 0, End: n - 1,
      }[event.key];
      if (to !== undefined) go(to);
      else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        row = Math.max(0, Math.min(stages - 1, row + (event.key === "ArrowUp" ? -1 : 1)));
        draw();
      } else if (event.key === "Enter") go(here, true);
      else if (event.key === " ") toggle();
      else if (event.key === "+" || event.key === "=") near(1.5);
      else if (event.key === "-") near(1 / 1.5);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    scroll.addEventListener("scroll", draw);
    play.addEventListener("click", toggle);
    into.addEventListener("click", () => near(1.5));
    out.addEventListener("click", () => near(1 / 1.5));
    const watch = new ResizeObserver(() => n && resize());
    watch.observe(scroll);
    load();
    model.on("change:loaded", load); // sent after codes, times and colours
    model.on("change:only", colour);
    model.on("change:cursor", follow);
    return () => {
      playing(false);
      watch.disconnect();
    };
  },
};
