// What can be saved: the selected texts as csv, the view as SVG and, drawn from it, as PNG.

const SVG = $("tools").querySelector("svg").namespaceURI;
const LAYERS = 24; // of dots: within one, those of a colour lie together

function download(extension, blob) {
  const name = document.title.replace(/[^\p{L}\p{N}.-]+/gu, "-").replace(/^[.-]+|-+$/g, "") || "map";
  const link = element("a", { href: URL.createObjectURL(blob), download: `${name}.${extension}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function saveTable() {
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const lines = [["row", "text", "cluster", "name", ...columns.map((column) => column.name)]];
  for (let point = 0; point < count; point++) {
    if (!lit[point]) continue;
    const group = groups[groupOf[point]];
    const cells = columns.map((column) => cellOf(column, point));
    lines.push([String(rows[point]), texts[point], String(group.label), group.title, ...cells]);
  }
  const text = lines.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
  download("csv", new Blob(["\ufeff", text], { type: "text/csv" })); // the mark tells Excel that it is UTF-8
}

function shape(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

const hex = (color) => `#${[...color.slice(0, 3)].map((value) => value.toString(16).padStart(2, "0")).join("")}`;

/** The view, without what lies under the panel: dots, names, and what the colours mean. */
function drawing() {
  const area = free();
  const box = { width: area.width, height: area.height };
  const root = shape("svg", { ...box, viewBox: `${area.left} 0 ${area.width} ${area.height}`, "font-family": FONT });
  root.append(shape("title", {}, document.title), shape("rect", { x: area.left, ...box, fill: hex(paper) }));
  const all = !filtered();
  if (!all) root.append(...dotPaths(area, (point) => !lit[point], FAINT));
  root.append(...dotPaths(area, (point) => all || lit[point], 0.92));
  root.append(...placedNames().names.map(nameShape), ...legendShapes(area));
  return root;
}

/** Lines of no length with round ends, which are dots: a path for each colour of a layer. */
function dotPaths(area, passes, opacity) {
  const paths = [];
  const size = 2 * radius();
  for (let layer = 0; layer < LAYERS; layer++) {
    const lines = colors.map(() => []);
    const end = ((layer + 1) * count) / LAYERS;
    for (let i = Math.ceil((layer * count) / LAYERS); i < end; i++) {
      const [x, y] = project(xs[order[i]], ys[order[i]]);
      if (x < area.left || x > width || y < 0 || y > area.height || !passes(order[i])) continue;
      lines[inkOf[order[i]]].push(`M${x.toFixed(1)} ${y.toFixed(1)}h0`);
    }
    lines.forEach((line, ink) => {
      if (!line.length) return;
      paths.push(shape("path", { d: line.join(""), stroke: hex(inks[ink]), "stroke-width": size.toFixed(2), "stroke-linecap": "round", opacity }));
    });
  }
  return paths;
}

function nameShape({ group, text, size, x, y, alpha }) {
  const halo = { stroke: hex(paper), "stroke-width": 4, "stroke-opacity": 0.8, "stroke-linejoin": "round", "paint-order": "stroke" };
  const [fill] = rgb([nameColor(group)]);
  const place = { x: x.toFixed(1), y: (y + size * 0.35).toFixed(1), "text-anchor": "middle" };
  return shape("text", { ...place, ...halo, "font-size": size.toFixed(1), "font-weight": 600, fill: hex(fill), opacity: alpha }, text);
}

function legendShapes(area) {
  const entries = legend();
  if (!entries.length) return [];
  const [left, top] = [area.left + 16, area.height - 20 * entries.length - 16];
  const longest = Math.max(...[columns[colorColumn].name, ...entries.map(([, words]) => words)].map((words) => words.length));
  const back = { x: left - 8, y: top - 24, width: 7 * longest + 34, height: 20 * entries.length + 30, rx: 8 };
  const lines = entries.flatMap(([ink, words], i) => [
    shape("circle", { cx: left + 5, cy: top + 20 * i + 10, r: 5, fill: hex(inks[ink]) }),
    shape("text", { x: left + 18, y: top + 20 * i + 14, "font-size": 12, fill: hex(pen) }, words),
  ]);
  const title = shape("text", { x: left, y: top - 6, "font-size": 12, "font-weight": 600, fill: hex(pen) }, columns[colorColumn].name);
  return [shape("rect", { ...back, fill: hex(paper), opacity: 0.85 }), title, ...lines];
}

const drawingText = () => new XMLSerializer().serializeToString(drawing());

function saveDrawing() {
  download("svg", new Blob([drawingText()], { type: "image/svg+xml" }));
}

async function savePicture() {
  const [area, scale, source] = [free(), Math.max(2, ratio), new Image()];
  source.src = `data:image/svg+xml,${encodeURIComponent(drawingText())}`;
  await source.decode();
  const sheetOfPixels = new OffscreenCanvas(Math.round(area.width * scale), Math.round(area.height * scale));
  sheetOfPixels.getContext("2d").drawImage(source, 0, 0, sheetOfPixels.width, sheetOfPixels.height);
  download("png", await sheetOfPixels.convertToBlob());
}
