// What is drawn on the canvas: the dots, the clusters' names, rings around the texts in hand.

const context = canvas.getContext("2d", { alpha: false });
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
const MOST_NAMES = 80;

const redraw = () => (frame ||= requestAnimationFrame(draw));

function repaint() {
  picture.isStale = true;
  redraw();
}

function draw() {
  frame = 0;
  showDots(context);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const { names, hidden } = placedNames();
  names.forEach(drawName);
  for (const point of [state.hover, state.pinned]) if (point >= 0) drawRing(point);
  $("hidden-names").hidden = hidden === 0;
  $("hidden-names").textContent = `${plural(hidden, "label")} hidden, zoom in`;
  placeTip();
}

/** Where the clusters' names fit, the largest first, and how many in view have to wait for a closer look. */
function placedNames() {
  const front = (state.peek ?? state.part)?.groups;
  const candidates = [...groups.keys()].slice(0, outliers).filter((i) => litOf[i] > 0 || front?.has(i));
  if (front) candidates.sort((a, b) => front.has(b) - front.has(a));
  const [area, names, boxes] = [free(), [], []];
  let hidden = 0;
  for (const i of candidates) {
    const [x, y] = project(groups[i].x, groups[i].y);
    if (x < area.left || y < 0 || x > width || y > area.height) continue;
    const name = nameSize(i);
    const box = names.length < MOST_NAMES && freeBox(x, y, name, area, boxes);
    if (!box) {
      hidden++;
      continue;
    }
    boxes.push(box);
    const faint = front && !front.has(i);
    names.push({ ...name, x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2, alpha: faint ? 0.3 : 1 });
  }
  return { names, hidden };
}

function nameSize(i) {
  const size = (narrow.matches ? 0.85 : 1) * (11 + 4 * Math.sqrt(groups[i].size / groups[0].size));
  groups[i].ems ??= widthInEms(groups[i].name);
  return { group: i, text: groups[i].name, size, half: (groups[i].ems * size) / 2 + 6 };
}

function widthInEms(text) {
  context.font = `600 16px ${FONT}`;
  return context.measureText(text).width / 16;
}

/** A box for a name at its place, or a line above or below it, that covers no other. */
function freeBox(x, y, { size, half }, area, boxes) {
  const middle = within(x, area.left + half + 4, Math.max(width - half - 4, area.left + half + 4));
  for (const line of [0, -1.7, 1.7]) {
    const [top, bottom] = [y + (line - 0.85) * size, y + (line + 0.85) * size];
    const box = [middle - half, top, middle + half, bottom];
    if (boxes.every((b) => box[0] >= b[2] || b[0] >= box[2] || box[1] >= b[3] || b[1] >= box[3])) return box;
  }
  return null;
}

const nameColor = (group) => css([...(dark() ? [0.94, 0.05] : [0.32, 0.08]), colorColumn < 0 ? colors[inkOfGroup(group)][2] : 260]);

/** A name with a rim of paper, which hides less of the dots than a box would. */
function drawName({ group, text, size, x, y, alpha }) {
  Object.assign(context, { textAlign: "center", textBaseline: "middle", font: `600 ${size}px ${FONT}`, globalAlpha: alpha });
  Object.assign(context, { lineJoin: "round", lineWidth: 4, strokeStyle: `rgb(${paper.join(" ")} / 0.8)`, fillStyle: nameColor(group) });
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
  context.globalAlpha = 1;
}

function drawRing(point) {
  context.beginPath();
  context.arc(...project(xs[point], ys[point]), radius() + 3.5, 0, 2 * Math.PI);
  context.lineWidth = 2;
  context.strokeStyle = css(colors[inkOf[point]]);
  context.stroke();
}

function resize() {
  [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio || 1];
  panelEnd = $("panel").getBoundingClientRect().right;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  resizePicture();
  const all = everything();
  if (!state.moved) Object.assign(view, all);
  draw();
}
