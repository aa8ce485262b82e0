// Around the map: the tooltip, the search, the list of clusters or of texts found, the theme.

const LONGEST_LIST = 200;
const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const shown = (point) => texts[point] || "(empty)";
let folded = null; // the texts as they are searched, made when first needed

/** Gives an element the colour of a group, in whatever theme. */
const paint = (element, group) => element.style.setProperty("--color", `var(--color-${colorOf[group]})`);

function recolor() {
  colors = palette(dark());
  colors.forEach((color, i) => document.documentElement.style.setProperty(`--color-${i}`, css(color)));
  inks = rgb(colors.map(css));
  [paper] = rgb([getComputedStyle(document.body).backgroundColor]);
  redraw();
}

// ---- The tooltip: of the text under the pointer, else of the one that was clicked. ----

const told = () => (state.hover >= 0 ? state.hover : state.pinned);

function hover(point) {
  if (point === state.hover) return;
  state.hover = point;
  canvas.classList.toggle("pointing", point >= 0);
  fillTip();
}

function pin(point) {
  state.pinned = point;
  state.hover = -1;
  fillTip();
}

function fillTip() {
  const [tip, point] = [$("tip"), told()];
  tip.hidden = point < 0;
  tip.classList.toggle("pinned", state.hover < 0);
  if (point >= 0) {
    tip.querySelector(".text").textContent = shown(point);
    tip.querySelector(".of span").textContent = groups[groupOf[point]].name;
    paint(tip, groupOf[point]);
  }
  redraw();
}

function placeTip() {
  const [tip, point] = [$("tip"), told()];
  if (point < 0) return;
  const [[x, y], box, bottom] = [project(xs[point], ys[point]), tip.getBoundingClientRect(), free().height];
  const beside = (at, size, end) => Math.min(Math.max(12, at + 16 + size > end ? at - size - 16 : at + 16), end - size - 12);
  const [left, top] = [beside(x, box.width, width), beside(y, box.height, bottom)];
  tip.style.visibility = x < 0 || y < 0 || x > width || y > height ? "hidden" : "visible";
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

// ---- Choosing: a cluster, words, or both. ----

function choose() {
  if (state.words.length) folded ??= texts.map(fold);
  litOf.fill(0);
  for (let point = 0; point < count; point++) {
    const group = groupOf[point];
    const inside = state.group < 0 || group === state.group;
    lit[point] = inside && state.words.every((word) => folded[point].includes(word)) ? 1 : 0;
    litOf[group] += lit[point];
  }
  if (state.pinned >= 0 && !lit[state.pinned]) state.pinned = -1;
  state.hover = state.peek = -1;
  fillTip();
  list();
}

const litCount = () => litOf.reduce((sum, number) => sum + number, 0);

function isolate(group) {
  state.group = state.group === group ? -1 : group;
  state.reading = false;
  choose();
  if (state.group < 0) return fly(everything());
  return visit(groups[group].x, groups[group].y, Math.min(0.2 / Math.max(groups[group].reach, 0.02), 8));
}

function visit(x, y, closer) {
  sheet(false);
  fly({ x, y, scale: fitted * Math.max(closer, 1) });
}

function peek(group) {
  if (state.group >= 0) return;
  state.peek = group;
  redraw();
}

function showAll() {
  Object.assign(state, { group: -1, words: [], reading: false, pinned: -1 });
  $("query").value = "";
  choose();
  fly(everything());
}

// ---- The list. ----

const clusterRows = groups.map(clusterRow);

function list() {
  const reading = state.words.length > 0 || state.reading;
  $("state").hidden = !filtered();
  $("status").textContent = plural(litCount(), "text") + (state.group < 0 ? "" : ` in ${groups[state.group].name}`);
  clusterRows.forEach((row, i) => row.choose(i === state.group));
  if (reading) {
    $("list").replaceChildren(...textRows());
    $("list").scrollTop = 0;
  } else if (clusterRows[0].item.parentNode !== $("list")) {
    $("list").replaceChildren(...clusterRows.filter((_, i) => groups[i].size).map((row) => row.item));
  }
}

function clusterRow(group, i) {
  const item = copy("cluster-row");
  const [pick, more, examples] = [".pick", ".more", ".examples"].map((part) => item.querySelector(part));
  paint(item, i);
  item.querySelector(".name").textContent = group.terms.slice(0, 4).join(", ") || group.name;
  item.querySelector(".size").textContent = group.size.toLocaleString("en");
  item.querySelector(".bar i").style.width = `${Math.max(1, Math.min(100, (100 * group.size) / groups[0].size))}%`;
  const open = (wanted) => {
    more.setAttribute("aria-expanded", wanted);
    examples.hidden = !wanted;
    if (wanted && !examples.childElementCount) fillExamples(examples, i);
  };
  const choose = (chosen) => {
    if (chosen !== item.classList.contains("chosen")) open(chosen);
    item.classList.toggle("chosen", chosen);
    pick.setAttribute("aria-pressed", chosen);
  };
  pick.addEventListener("click", () => isolate(i));
  more.addEventListener("click", () => open(examples.hidden));
  item.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && peek(i));
  item.addEventListener("pointerleave", () => peek(-1));
  return { item, choose };
}

function fillExamples(element, i) {
  const add = (tag, text, more) =>
    element.appendChild(Object.assign(document.createElement(tag), { textContent: text, dir: "auto", ...more }));
  if (groups[i].terms.length > 4) add("p", groups[i].terms.join(", "));
  for (const example of groups[i].examples) add("q", example);
  const all = add("button", `Read ${groups[i].size === 1 ? "it" : `all ${groups[i].size.toLocaleString("en")}`}`, { type: "button" });
  all.addEventListener("click", () => {
    if (state.group !== i) isolate(i);
    state.reading = true;
    sheet(true);
    list();
  });
}

function textRows() {
  const found = [];
  for (let point = 0; point < count && found.length < LONGEST_LIST; point++) if (lit[point]) found.push(point);
  const rows = found.map((point) => {
    const item = copy("text-row");
    paint(item, groupOf[point]);
    item.querySelector(".text").append(...marked(shown(point)));
    item.firstElementChild.addEventListener("click", () => {
      pin(point);
      visit(xs[point], ys[point], Math.max(2.5, view.scale / fitted));
    });
    return item;
  });
  const rest = litCount() - found.length;
  const note = rest ? `and ${plural(rest, "text")} more` : !found.length && "No text has all of these words.";
  if (note) rows.push(Object.assign(document.createElement("li"), { className: "note", textContent: note }));
  return rows;
}

/** The text in three parts, of which the middle one is the first of the searched words in it. */
function marked(text) {
  const lower = text.toLowerCase();
  const hits = state.words.map((word) => [lower.indexOf(word), word.length]).filter(([start]) => start >= 0);
  const [start, length] = hits.sort((a, b) => a[0] - b[0])[0] ?? [0, 0];
  const from = start > 90 ? start - 40 : 0; // a word deep inside a long text is brought into sight
  const mark = Object.assign(document.createElement("mark"), { textContent: text.slice(start, start + length) });
  return [(from ? "…" : "") + text.slice(from, start), mark, text.slice(start + length)];
}

// ---- Buttons, keys, and the sheet that the panel is on a phone. ----

function sheet(open) {
  $("panel").classList.toggle("open", open);
  $("handle").setAttribute("aria-expanded", open);
}

$("query").addEventListener("input", () => {
  state.words = fold($("query").value).split(/\s+/).filter(Boolean);
  choose();
});
$("query").addEventListener("focus", () => sheet(true));
$("handle").addEventListener("click", () => sheet(!$("panel").classList.contains("open")));
$("clear").addEventListener("click", showAll);
$("fit").addEventListener("click", () => fly(everything()));
$("zoom-in").addEventListener("click", () => zoomBy(1.6));
$("zoom-out").addEventListener("click", () => zoomBy(1 / 1.6));
$("theme").addEventListener("click", recolor);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") showAll();
  if (event.key !== "/" || document.activeElement === $("query")) return;
  event.preventDefault();
  $("query").focus();
});

// ---- Start. ----

const lone = groups[outliers].size;
$("summary").textContent = [plural(count, "text"), plural(outliers, "cluster"), lone && plural(lone, "outlier")].filter(Boolean).join(", ");
prefersDark.addEventListener("change", recolor);
recolor();
list();
resize();
new ResizeObserver(resize).observe(canvas);

/** For tests, and for the curious. */
window.sememe = {
  points: count,
  visible: litCount,
  view: () => ({ ...view }),
  screen: (point) => project(xs[point], ys[point]),
};
