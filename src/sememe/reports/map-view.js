// The view of the plane: which place lies where on the screen, and how the view moves.

const canvas = $("map");
const narrow = matchMedia("(max-width: 720px)");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const LOW_SHEET = 140; // pixels of the panel that a phone always shows

const view = { x: 0, y: 0, scale: 1 }; // the place in the middle, and pixels per unit
const lit = new Uint8Array(count).fill(1); // which texts are selected; the others are faint
const litOf = pointsOf.map((points) => points.length);
// part: the clusters that are picked, {name, groups}; peek: those under the pointer in the list.
const state = { part: null, peek: null, hover: -1, pinned: -1, words: [], reading: false, moved: false };
let [width, height, ratio, fitted, panelEnd, frame, flight] = [0, 0, 1, 1, 0, 0, 0];

const filtered = () => state.part !== null || state.words.length > 0 || filters.size > 0;

/** The part of the window that the panel leaves free. */
function free() {
  const left = narrow.matches ? 0 : panelEnd;
  return { left, width: width - left, height: height - (narrow.matches ? LOW_SHEET : 0) };
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

/** The selected text nearest to a place on the screen, or -1 where none is within so many pixels. */
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

// ---- Moving about. ----

const within = (value, low, high) => Math.min(Math.max(value, low), high);

function bounded(target) {
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
    const time = still.matches ? 1 : within((now - start) / 480, 0, 1);
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

function visit(x, y, closer) {
  sheet(false);
  fly({ x, y, scale: fitted * Math.max(closer, 1) });
}
