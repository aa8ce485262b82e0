// A selection: the plot of quality against cost, and two tables. All texts are text, never markup.

const namespace = document.querySelector("svg").namespaceURI;
const margin = { left: 44, right: 16, top: 12, bottom: 24 };

function shape(parent, tag, attributes, text = "") {
  const made = parent.appendChild(document.createElementNS(namespace, tag));
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.textContent = text;
  return made;
}

const UNITS = [["year", 31557600], ["day", 86400], ["h", 3600], ["min", 60], ["s", 1]];
function duration(seconds) {
  const [unit, length] = UNITS.find(([, least]) => seconds >= least) ?? ["ms", 1e-3];
  const count = Number((seconds / length).toPrecision(2));
  return `${count.toLocaleString("en")} ${unit}${["year", "day"].includes(unit) && count !== 1 ? "s" : ""}`;
}
// Round times, about ten times as long as the one before.
const TICKS = [1e-3, 0.01, 0.1, 1, 10, 60, 600, 3600, 36000, 86400, 864000, 8640000, ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((power) => 31557600 * 10 ** power)];

$("headline").textContent = data.headline;
$("summary").textContent = data.summary;
document.querySelector(".sentence").textContent = data.verdict;
$("code").textContent = [...data.code, data.command && `$ ${data.command}`].filter(Boolean).join("\n");

// ---- The plot: time on a scale of tens, the figure on a plain one. ----

const { points } = data;
const reading = document.querySelector(".reading");
const tell = ({ name, value, low, high, seconds }) =>
  `${name}: ${value.toFixed(1)}${low === null ? "" : ` (${low.toFixed(1)} to ${high.toFixed(1)})`}, ${duration(seconds)}`;

function draw() {
  const plot = document.querySelector(".plot");
  plot.replaceChildren();
  const [width, height] = [plot.clientWidth, plot.clientHeight];
  const svg = shape(plot, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${data.metric} against time` });
  const logs = points.map(({ seconds }) => Math.log10(seconds));
  const ends = points.flatMap(({ value, low, high }) => [low ?? value, high ?? value]);
  const [least, most] = [Math.min(...logs), Math.max(...logs)];
  const room = Math.max(0.3, (most - least) / 15);
  const [left, right] = [least - room, most + room];
  const [bottom, top] = [Math.max(Math.min(...ends) - 1, Math.min(...points.map(({ value }) => value)) - 20), Math.min(Math.max(...ends) + 1, 101)];
  const across = width - margin.left - margin.right;
  const down = height - margin.top - margin.bottom;
  const x = (seconds) => margin.left + ((Math.log10(seconds) - left) / (right - left)) * across;
  const y = (value) => margin.top + ((top - Math.max(value, bottom)) / (top - bottom)) * down;
  const step = [1, 2, 5, 10, 20].find((size) => (top - bottom) / size <= 8) ?? 50;
  for (let value = Math.ceil(bottom / step) * step; value <= top; value += step) {
    shape(svg, "path", { class: "grid", d: `M${margin.left} ${y(value)}h${across}` });
    shape(svg, "text", { x: margin.left - 8, y: y(value) + 4, "text-anchor": "end" }, value);
  }
  let last = -Infinity;
  for (const seconds of TICKS.filter((each) => x(each) >= margin.left && x(each) <= width - margin.right)) {
    if (x(seconds) < last + 75) continue;
    last = x(seconds);
    shape(svg, "path", { class: "grid", d: `M${last} ${margin.top}v${down}` });
    shape(svg, "text", { x: Math.min(last, width - 34), y: height - 6, "text-anchor": "middle" }, duration(seconds));
  }
  const front = points.filter((point) => point.front).sort((a, b) => a.seconds - b.seconds);
  if (front.length > 1) {
    shape(svg, "path", { class: "front", d: `M${front.map((point) => `${x(point.seconds)} ${y(point.value)}`).join("L")}` });
  }
  for (const point of points) {
    const [cx, cy] = [x(point.seconds), y(point.value)];
    if (point.low !== null) shape(svg, "path", { class: "interval", d: `M${cx} ${y(point.low)}V${y(point.high)}` });
    if (point.chosen) shape(svg, "circle", { class: "ring", r: 10, cx, cy });
    const dot = shape(svg, "circle", { class: `dot${point.front ? " on" : ""}`, r: 5, cx, cy, tabindex: 0, role: "img", "aria-label": tell(point) });
    shape(dot, "title", {}, tell(point));
    for (const event of ["pointerenter", "pointerdown", "focus"]) {
      dot.addEventListener(event, () => { reading.textContent = tell(point); });
    }
  }
  const taken = points.map((point) => ({ x: x(point.seconds) - 8, y: y(point.value) - 8, width: 16, height: 16 }));
  const isFree = (box) => box.x >= margin.left && box.x + box.width <= width && taken.every((other) => box.x > other.x + other.width || other.x > box.x + box.width || box.y > other.y + other.height || other.y > box.y + box.height);
  const chosen = points.find((point) => point.chosen);
  for (const point of new Set([...(chosen ? [chosen] : []), ...front])) { // a name wherever there is room for it
    const name = shape(svg, "text", { class: point.chosen ? "name strong" : "name" }, point.name);
    const isPlaced = [[14, -10], [-14, -10], [14, 18], [-14, 18], [14, -26], [-14, -26], [14, 34], [-14, 34], [14, -42], [14, 50]].some(([aside, below]) => {
      const at = { x: x(point.seconds) + aside, y: y(point.value) + below, "text-anchor": aside < 0 ? "end" : "start" };
      Object.entries(at).forEach(([key, value]) => name.setAttribute(key, value));
      const box = name.getBBox();
      return isFree(box) && taken.push(box);
    });
    if (!isPlaced) name.remove();
  }
  if (chosen && !reading.textContent) reading.textContent = tell(chosen);
}
if (points.length) {
  draw();
  new ResizeObserver(draw).observe(document.querySelector(".plot"));
}
$("front").hidden = !points.length;

// ---- The tables. ----

function fill(id, head, rows) {
  const [header, body] = ["thead", "tbody"].map((part) => $(id).querySelector(part));
  const names = header.insertRow();
  head.forEach((name) => names.append(Object.assign(document.createElement("th"), { textContent: name, scope: "col" })));
  return rows.map((cells) => {
    const row = body.insertRow();
    cells.forEach((texts) => row.insertCell().append(...[texts].flat().map((textContent) => Object.assign(document.createElement("p"), { textContent, dir: "auto" }))));
    return row;
  });
}

const [head, ...lines] = data.table;
fill("candidates", head, lines).forEach((row, i) => row.classList.toggle("chosen", lines[i].at(-1).startsWith("chosen")));
const { examples } = data;
$("examples").hidden = !examples.length;
$("examples").querySelector(".note").textContent = data.meaning;
fill("examples", ["", "right", ...data.compared], examples.map(({ texts, right, answers }) => [texts, right, ...answers]))
  .forEach((row, i) => examples[i].best.forEach((best, at) => row.cells[at + 2].classList.toggle("best", best)));
