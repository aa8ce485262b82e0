// Pointers and keys: dragging, pinching, wheel, double click, and the keyboard.

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
