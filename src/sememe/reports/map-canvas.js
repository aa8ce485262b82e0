// The map itself: a view of the plane, drawn on a canvas, moved by pointer, wheel and keys.

const canvas = $("map");
const context = canvas.getContext("2d");
const narrow = matchMedia("(max-width: 720px)");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

const view = { x: 0, y: 0, scale: 1 }; // the point in the middle, and pixels per unit
const lit = new Uint8Array(count).fill(1); // which texts are chosen; the others are faint
const litOf = members.map((points) => points.length);
const state = { group: -1, peek: -1, hover: -1, pinned: -1, words: [], reading: false, moved: false };
let [width, height, ratio, fitted, frame, flight] = [0, 0, 1, 1, 0, 0];
let [colors, inks, paper, image] = [[], [], [], null]; // inks and paper: the same as red, green, blue

const filtered = () => state.group >= 0 || state.words.length > 0;

// ---- Where things are on the screen. ----

/** The part of the window that the panel leaves free. */
function free() {
  const panel = $("panel").getBoundingClientRect();
  const left = narrow.matches ? 0 : panel.right;
  return { left, width: width - left, height: height - (narrow.matches ? 140 : 0) };
}

function center() {
  const area = free();
  return [area.left + area.width / 2, area.height / 2];
}

function project(x, y) {
  const [left, top] = center();
  return [left + (x - view.x) * view.scale, top - (y - view.y) * view.scale];
}

function unproject(left, top) {
  const [middleX, middleY] = center();
  return [view.x + (left - middleX) / view.scale, view.y - (top - middleY) / view.scale];
}

function radius() {
  const base = Math.min(4.5, Math.max(1, (0.6 * fitted) / Math.sqrt(count)));
  return Math.min(base * (view.scale / fitted) ** 0.3, 9);
}

/** Points by the cell of a grid that they lie in. */
const side = Math.max(1, Math.min(256, Math.round(Math.sqrt(count / 2))));
const cell = (value) => Math.min(side - 1, Math.max(0, Math.floor(((value + 1) * side) / 2)));
const cells = Array.from({ length: side * side }, () => []);
for (let point = 0; point < count; point++) cells[cell(xs[point]) * side + cell(ys[point])].push(point);

/** The chosen text nearest to a place on the screen, or -1 where none is within so many pixels. */
function pointAt(left, top, within) {
  const [x, y] = unproject(left, top);
  const reach = (within + radius()) / view.scale;
  let [best, nearest] = [-1, reach];
  for (let column = cell(x - reach); column <= cell(x + reach); column++) {
    for (let row = cell(y - reach); row <= cell(y + reach); row++) {
      for (const point of cells[column * side + row]) {
        const distance = Math.hypot(xs[point] - x, ys[point] - y);
        if (distance < nearest && lit[point]) [best, nearest] = [point, distance];
      }
    }
  }
  return best;
}

// ---- Drawing. ----

const redraw = () => (frame ||= requestAnimationFrame(draw));
const bright = (point) => lit[point] && (state.peek < 0 || groupOf[point] === state.peek);

function draw() {
  frame = 0;
  new Uint32Array(image.data.buffer).fill(new Uint32Array(Uint8Array.of(...paper, 255).buffer)[0]);
  const all = !filtered() && state.peek < 0;
  if (!all) drawPoints(dark() ? 0.18 : 0.22, (point) => !bright(point));
  drawPoints(0.92, all ? () => true : bright);
  context.putImageData(image, 0, 0);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawNames();
  for (const point of [state.hover, state.pinned]) if (point >= 0) drawRing(point);
  placeTip();
}

/** Writes the dots straight into pixels: ten times as fast as canvas calls where no GPU helps. */
function drawPoints(alpha, wanted) {
  const { data: pixels, width: across, height: down } = image;
  const [zeroX, zeroY, scale] = [...project(0, 0).map((value) => value * ratio), view.scale * ratio];
  const inner = radius() * ratio;
  const outer = inner + Math.min(0.7 * ratio, inner / 5); // a rim of paper parts dots that overlap
  const covered = (distance, reach) => alpha * Math.min(1, Math.max(0, reach + 0.5 - distance));
  for (const point of order) {
    const [left, top] = [zeroX + xs[point] * scale - 0.5, zeroY - ys[point] * scale - 0.5];
    const [x1, x2] = [Math.max(0, Math.ceil(left - outer)), Math.min(across - 1, Math.floor(left + outer))];
    const [y1, y2] = [Math.max(0, Math.ceil(top - outer)), Math.min(down - 1, Math.floor(top + outer))];
    if (x1 > x2 || y1 > y2 || !wanted(point)) continue;
    const [red, green, blue] = inks[colorOf[groupOf[point]]];
    for (let y = y1; y <= y2; y++) {
      for (let x = x1; x <= x2; x++) {
        const distance = Math.sqrt((x - left) ** 2 + (y - top) ** 2);
        const ink = covered(distance, inner);
        const rim = covered(distance, outer) - ink;
        const [at, kept] = [4 * (y * across + x), 1 - ink - rim];
        pixels[at] = kept * pixels[at] + rim * paper[0] + ink * red;
        pixels[at + 1] = kept * pixels[at + 1] + rim * paper[1] + ink * green;
        pixels[at + 2] = kept * pixels[at + 2] + rim * paper[2] + ink * blue;
      }
    }
  }
}

/** Red, green and blue of CSS colours. */
function rgb(names) {
  const brush = new OffscreenCanvas(names.length, 1).getContext("2d");
  names.forEach((name, i) => {
    brush.fillStyle = name;
    brush.fillRect(i, 0, 1, 1);
  });
  const { data: read } = brush.getImageData(0, 0, names.length, 1);
  return names.map((_, i) => read.slice(4 * i, 4 * i + 3));
}

/** The clusters' names, the largest first; one that would cover another waits for a closer look. */
function drawNames() {
  const chosen = state.peek >= 0 ? state.peek : state.group;
  const named = [...groups.keys()].slice(0, outliers).filter((i) => litOf[i] || i === chosen);
  if (chosen >= 0) named.sort((a, b) => (b === chosen) - (a === chosen));
  const [area, taken, closer] = [free(), [], (view.scale / fitted) ** 2];
  Object.assign(context, { textAlign: "center", textBaseline: "middle" });
  for (const i of named) {
    let [x, y] = project(groups[i].x, groups[i].y);
    if (x < area.left || y < 0 || x > width || y > height || taken.length > 80) continue;
    if (members[i].length * closer < count / 300 && i !== chosen) continue;
    const size = (narrow.matches ? 0.85 : 1) * (11 + 4 * Math.sqrt(groups[i].size / groups[0].size));
    context.font = `600 ${size}px ${FONT}`;
    const half = context.measureText(groups[i].name).width / 2 + 6;
    x = Math.min(Math.max(x, area.left + half + 4), width - half - 4);
    const box = [x - half, y - size, x + half, y + size];
    if (taken.some((b) => box[0] < b[2] && b[0] < box[2] && box[1] < b[3] && b[1] < box[3])) continue;
    taken.push(box);
    context.globalAlpha = chosen < 0 || chosen === i ? 1 : 0.3;
    context.fillStyle = `rgb(${paper.join(" ")} / 0.8)`;
    context.beginPath();
    context.roundRect(x - half, y - 0.75 * size, 2 * half, 1.5 * size, 6);
    context.fill();
    context.fillStyle = css([...(dark() ? [0.94, 0.05] : [0.32, 0.08]), colors[colorOf[i]][2]]);
    context.fillText(groups[i].name, x, y);
  }
  context.globalAlpha = 1;
}

function drawRing(point) {
  context.beginPath();
  context.arc(...project(xs[point], ys[point]), radius() + 3.5, 0, 2 * Math.PI);
  context.lineWidth = 2;
  context.strokeStyle = css(colors[colorOf[groupOf[point]]]);
  context.stroke();
}

// ---- Moving about. ----

function bounded(target) {
  const within = (value, low, high) => Math.min(Math.max(value, low), high);
  return {
    x: within(target.x, -1.1, 1.1),
    y: within(target.y, -1.1, 1.1),
    scale: within(target.scale, fitted / 2, fitted * 300),
  };
}

function look(target) {
  cancelAnimationFrame(flight);
  state.moved = true;
  Object.assign(view, bounded({ ...view, ...target }));
  redraw();
}

function fly(target) {
  const [from, to, start] = [{ ...view }, bounded({ ...view, ...target }), performance.now()];
  const growth = to.scale / from.scale;
  const step = (now) => {
    const time = still.matches ? 1 : Math.min(1, Math.max(0, (now - start) / 480));
    const eased = time < 0.5 ? 4 * time ** 3 : 1 - (2 - 2 * time) ** 3 / 2;
    // The way is covered as the scale grows, or the target would leave the screen meanwhile.
    const part = Math.abs(growth - 1) < 1e-3 ? eased : (1 - growth ** -eased) / (1 - 1 / growth);
    look({
      x: from.x + (to.x - from.x) * part,
      y: from.y + (to.y - from.y) * part,
      scale: from.scale * growth ** eased,
    });
    if (time < 1) flight = requestAnimationFrame(step);
  };
  step(start);
}

/** Zooms with the place under the pointer held still. */
function zoom(factor, left, top) {
  const [x, y] = unproject(left, top);
  const { scale } = bounded({ ...view, scale: view.scale * factor });
  const shrink = view.scale / scale;
  look({ x: x + (view.x - x) * shrink, y: y + (view.y - y) * shrink, scale });
}

const zoomBy = (factor) => fly({ scale: view.scale * factor });
const drag = (dx, dy) => look({ x: view.x - dx / view.scale, y: view.y + dy / view.scale });

/** The view that shows all. */
function everything() {
  const range = (axis) => [axis.reduce((a, b) => Math.min(a, b), 1), axis.reduce((a, b) => Math.max(a, b), -1)];
  const [[x1, x2], [y1, y2], area] = [range(xs), range(ys), free()];
  fitted = 0.88 * Math.min(area.width / Math.max(x2 - x1, 0.1), area.height / Math.max(y2 - y1, 0.1));
  return { x: (x1 + x2) / 2, y: (y1 + y2) / 2, scale: fitted };
}

function resize() {
  [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio || 1];
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  image = context.createImageData(Math.max(1, canvas.width), Math.max(1, canvas.height));
  const whole = everything();
  if (!state.moved) Object.assign(view, whole);
  draw();
}

// ---- Pointers and keys. ----

const pointers = new Map();
let travelled = 0;

function pair() {
  const [a, b] = [...pointers.values()];
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) };
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  if (!pointers.size) travelled = 0;
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
});

canvas.addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId);
  if (!last) return hover(pointAt(event.clientX, event.clientY, 6));
  const before = pointers.size === 2 && pair();
  const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
  travelled += Math.abs(dx) + Math.abs(dy);
  Object.assign(last, { x: event.clientX, y: event.clientY });
  if (before) {
    const now = pair();
    zoom(now.apart / Math.max(before.apart, 1), now.x, now.y);
    drag(now.x - before.x, now.y - before.y);
  } else if (travelled > 4) {
    canvas.classList.add("dragging");
    drag(dx, dy);
  }
});

for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    const clicked = name === "pointerup" && pointers.size === 1 && travelled <= 4;
    if (clicked) pin(pointAt(event.clientX, event.clientY, event.pointerType === "touch" ? 18 : 6));
    pointers.delete(event.pointerId);
    canvas.classList.remove("dragging");
  });
}

canvas.addEventListener("pointerleave", () => hover(-1));
canvas.addEventListener("dblclick", () => fly(everything()));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  const speed = event.ctrlKey ? 0.01 : 0.0016; // two fingers on a touchpad: ctrl and small steps
  const turn = Math.max(-300, Math.min(300, event.deltaY * lines));
  zoom(Math.exp(-turn * speed), event.clientX, event.clientY);
}, { passive: false });

canvas.addEventListener("keydown", (event) => {
  const actions = {
    ArrowLeft: () => drag(80, 0),
    ArrowRight: () => drag(-80, 0),
    ArrowUp: () => drag(0, 80),
    ArrowDown: () => drag(0, -80),
    "+": () => zoomBy(1.6),
    "=": () => zoomBy(1.6),
    "-": () => zoomBy(1 / 1.6),
    0: () => fly(everything()),
  };
  if (event.ctrlKey || event.metaKey || !actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
});
