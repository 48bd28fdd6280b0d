// One face in WebGL. Vertices, heat and triangles come from the kernel; the camera lives here, and so does the
// intensity of a token alone, so that neither turning nor strengthening the face waits for the kernel.

const VERTEX = `
attribute vec3 position, normal; attribute float heat;
uniform mat3 turn; uniform vec3 centre; uniform float reach, zoom, aspect;
varying vec3 n; varying float h;
void main() {
  vec3 q = turn * (position - centre) / reach;
  float w = (7.0 - q.z) / 7.0;
  n = turn * normal; h = heat;
  gl_Position = vec4(q.x * zoom / aspect, q.y * zoom, -0.3 * q.z * w, w);
}`;
const FRAGMENT = `
precision mediump float;
varying vec3 n; varying float h;
uniform sampler2D palette; uniform float coloured; uniform vec4 line;
void main() {
  vec3 m = normalize(n);
  float behind = m.z < 0.0 ? 0.55 : 1.0;
  if (m.z < 0.0) m = -m;
  float light = 0.42 + 0.63 * max(dot(m, normalize(vec3(-0.35, 0.45, 0.82))), 0.0);
  vec3 base = texture2D(palette, vec2(coloured * clamp(h, 0.0, 1.0) * 0.996 + 0.002, 0.5)).rgb;
  gl_FragColor = vec4(mix(base * light * behind, line.rgb, line.a), 1.0);
}`;

export const floats = (view) =>
  new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

function element(parent, tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return parent.appendChild(made);
}

function program(gl) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  return made;
}

function normals(vertices, triangles) {
  const out = new Float32Array(vertices.length);
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [3 * triangles[t], 3 * triangles[t + 1], 3 * triangles[t + 2]];
    const ux = vertices[b] - vertices[a], uy = vertices[b + 1] - vertices[a + 1], uz = vertices[b + 2] - vertices[a + 2];
    const vx = vertices[c] - vertices[a], vy = vertices[c + 1] - vertices[a + 1], vz = vertices[c + 2] - vertices[a + 2];
    const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx;
    for (const v of [a, b, c]) { out[v] += x; out[v + 1] += y; out[v + 2] += z; }
  }
  return out;
}

function edges(triangles) {
  const seen = new Set(), out = [];
  for (let t = 0; t < triangles.length; t += 3)
    for (const [i, j] of [[0, 1], [1, 2], [2, 0]]) {
      const a = Math.min(triangles[t + i], triangles[t + j]), b = Math.max(triangles[t + i], triangles[t + j]);
      if (!seen.has(a * 65536 + b)) { seen.add(a * 65536 + b); out.push(a, b); }
    }
  return new Uint16Array(out);
}

export default {
  render({ model, el }) {
    el.classList.add("dfe");
    const box = element(el, "div", { class: "dfe-face" });
    const canvas = element(box, "canvas", { tabindex: 0, role: "img" });
    const bar = element(box, "div", { class: "dfe-scale" });
    const tools = element(box, "div", { class: "dfe-tools", role: "group", "aria-label": "Turn the face" });
    const gl = canvas.getContext("webgl", { preserveDrawingBuffer: true, antialias: true, alpha: false });
    if (!gl) {
      canvas.remove();
      element(box, "p", {}, "This browser offers no WebGL, so the face cannot be turned; the pictures below show it.");
      return;
    }
    let yaw = 0, pitch = 0, zoom = 1, due = false, count = 0, triangles, lines;
    const made = program(gl);
    gl.useProgram(made);
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.POLYGON_OFFSET_FILL);
    gl.polygonOffset(1.5, 4);
    const at = (name) => gl.getUniformLocation(made, name);
    const buffers = Object.fromEntries(["position", "normal", "heat"].map((n) => [n, gl.createBuffer()]));
    const solid = gl.createBuffer(), wires = gl.createBuffer();

    const fill = (name, values, size) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(gl.getAttribLocation(made, name));
      gl.vertexAttribPointer(gl.getAttribLocation(made, name), size, gl.FLOAT, false, 0, 0);
    };
    const mesh = () => {
      const view = model.get("triangles");
      triangles = new Uint16Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
      lines = edges(triangles);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, solid);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, wires);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, lines, gl.STATIC_DRAW);
      const palette = Uint8Array.from(model.get("palette").flat());
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, palette.length / 3, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, palette);
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    };
    const move = () => {
      const vertices = floats(model.get("vertices")), limit = model.get("limit");
      const heat = floats(model.get("heat")), step = floats(model.get("step"));
      const asked = model.get("asked"), more = step.length ? asked - model.get("strength") : 0;
      if (more) { // the kernel's face is of another intensity
        for (let i = 0; i < vertices.length; i++) vertices[i] += more * step[i];
        for (let v = 0; v < heat.length; v++)
          heat[v] = Math.abs(asked) * Math.hypot(step[3 * v], step[3 * v + 1], step[3 * v + 2]);
      }
      fill("position", vertices, 3);
      fill("normal", normals(vertices, triangles), 3);
      fill("heat", heat.length ? heat.map((mm) => mm / limit) : new Float32Array(vertices.length / 3), 1);
      scale(heat.length > 0, limit);
      draw();
    };
    const scale = (shown, limit) => {
      const stops = model.get("palette").map((rgb) => `rgb(${rgb})`).join(",");
      bar.innerHTML = "";
      const line = element(bar, "div", { class: "dfe-ramp" });
      line.style.background = shown ? `linear-gradient(90deg, ${stops})` : "none";
      const ticks = element(bar, "div", { class: "dfe-ticks" });
      for (const value of shown ? [0, limit / 2, limit] : []) element(ticks, "span", {}, `${+value.toPrecision(2)} mm`);
      element(bar, "div", { class: "dfe-what" }, model.get("what"));
      canvas.setAttribute("aria-label", `${model.get("label")} Arrow keys turn it, plus and minus zoom, Home resets.`);
    };
    const fit = () => { // as many pixels as are seen: more only cost time
      const wide = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)) || 320;
      if (canvas.width !== wide) Object.assign(canvas, { width: wide, height: Math.round(wide * 1.06) });
    };
    const draw = () => { if (!due) { due = true; requestAnimationFrame(paint); } };
    const paint = () => {
      due = false;
      fit();
      const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(1, 1, 1, 1);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.uniformMatrix3fv(at("turn"), false, [cy, sp * sy, -cp * sy, 0, cp, sp, sy, -sp * cy, cp * cy]);
      gl.uniform3fv(at("centre"), model.get("centre"));
      gl.uniform1f(at("reach"), model.get("reach"));
      gl.uniform1f(at("zoom"), zoom);
      gl.uniform1f(at("aspect"), canvas.width / canvas.height);
      gl.uniform1f(at("coloured"), model.get("heat").byteLength ? 1 : 0);
      gl.uniform4f(at("line"), 0, 0, 0, 0);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, solid);
      gl.drawElements(gl.TRIANGLES, triangles.length, gl.UNSIGNED_SHORT, 0);
      if (model.get("wire")) {
        gl.uniform4f(at("line"), 0.1, 0.15, 0.25, 0.6);
        gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, wires);
        gl.drawElements(gl.LINES, lines.length, gl.UNSIGNED_SHORT, 0);
      }
      gl.finish();
      Object.assign(canvas.dataset, { drawn: ++count, yaw: yaw.toFixed(2), zoom: zoom.toFixed(2) });
    };
    const turn = (dy, dp) => {
      yaw += dy;
      pitch = Math.max(-1.4, Math.min(1.4, pitch + dp));
      draw();
    };
    const near = (factor) => { zoom = Math.max(0.5, Math.min(5, zoom * factor)); draw(); };
    const front = () => { yaw = pitch = 0; zoom = 1; draw(); };
    const keys = {
      ArrowLeft: () => turn(-0.1, 0), ArrowRight: () => turn(0.1, 0), ArrowUp: () => turn(0, -0.1),
      ArrowDown: () => turn(0, 0.1), "+": () => near(1.15), "=": () => near(1.15), "-": () => near(1 / 1.15), Home: front,
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key]) return;
      event.preventDefault();
      event.stopPropagation();
      keys[event.key]();
    });
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) turn(event.movementX / 120, event.movementY / 120);
    });
    for (const [text, label, act] of [
      ["↶", "Turn left", keys.ArrowLeft], ["front", "Front view", front], ["↷", "Turn right", keys.ArrowRight],
      ["−", "Zoom out", keys["-"]], ["+", "Zoom in", keys["+"]],
    ]) element(tools, "button", { type: "button", "aria-label": label, title: label }, text).addEventListener("click", act);

    mesh();
    move();
    const watch = new ResizeObserver(draw);
    watch.observe(canvas);
    model.on("change:triangles", mesh);
    model.on("change:frame", move); // sent after vertices, heat and texts, so that they are drawn once
    model.on("change:asked", () => { if (model.get("step").byteLength) move(); });
    model.on("change:wire", draw);
    return () => {
      watch.disconnect();
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    };
  },
};
