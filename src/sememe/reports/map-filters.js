// What is selected: clusters, words, and filters on columns, all at once.

const MOST_VALUES = 300; // of a column, in its list

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const wordsOf = (text) => fold(text).split(/\s+/).filter(Boolean);
let plainTexts = null; // as they are searched, made when first needed
const filters = new Map(); // by column: which codes pass, or from where until where
let facets = []; // the columns whose filters are shown, after the one that colours

function select() {
  if (state.words.length) plainTexts ??= texts.map(fold);
  const tests = [...filters].map(([column, filter]) => passing(columns[column], filter));
  litOf.fill(0);
  for (let point = 0; point < count; point++) {
    const group = groupOf[point];
    const passes =
      (!state.part || state.part.groups.has(group)) &&
      tests.every((test) => test(point)) &&
      state.words.every((word) => plainTexts[point].includes(word));
    lit[point] = passes ? 1 : 0;
    litOf[group] += lit[point];
  }
  if (state.pinned >= 0 && !lit[state.pinned]) state.pinned = -1;
  Object.assign(state, { hover: -1, peek: null });
  fillTip();
  fillList();
  repaint();
}

function passing({ codes, numbers }, { values, from, until }) {
  if (values) return (point) => values.has(codes[point]);
  return (point) => numbers[point] >= from && numbers[point] <= until;
}

const litCount = () => litOf.reduce((sum, number) => sum + number, 0);

function setFilter(column, filter) {
  if (filter) filters.set(column, filter);
  else filters.delete(column);
  state.reading &&= filtered();
  select();
}

/** Selects the texts of some clusters; of those that are selected, lets them go. */
function pick(part) {
  const isPicked = state.part === part;
  Object.assign(state, { part: isPicked ? null : part, reading: false });
  select();
  if (isPicked) fly(everything());
  else visitGroups([...part.groups].map((i) => groups[i]).filter((group) => group.size));
}

function visitGroups(some) {
  const ends = (axis, side) => some.map((group) => group[axis] + side * group.reach);
  const span = (axis) => [Math.min(...ends(axis, -1)), Math.max(...ends(axis, 1))];
  const [[left, right], [low, high]] = [span("x"), span("y")];
  const reach = Math.max(right - left, high - low) / 2;
  visit((left + right) / 2, (low + high) / 2, Math.min(0.2 / Math.max(reach, 0.02), 8));
}

function showAll() {
  Object.assign(state, { part: null, words: [], reading: false, pinned: -1 });
  $("query").value = "";
  filters.clear();
  facets = [];
  fillFacets();
  select();
  fly(everything());
}

// ---- A column's filter, which is the legend of its colours too. ----

function fillFacets() {
  const visible = colorColumn < 0 ? facets : [colorColumn, ...facets.filter((column) => column !== colorColumn)];
  $("facets").replaceChildren(...visible.map(facet));
  $("filter").value = "";
}

function facet(index) {
  const [item, column] = [copy("facet"), columns[index]];
  item.querySelector("h2 span").textContent = column.name;
  item.querySelector("button").addEventListener("click", () => removeFacet(index));
  if (column.numbers) fillRange(item, index);
  else if (column.kind === "category") fillValues(item, index);
  else item.append(wordsInput(index));
  return item;
}

function removeFacet(index) {
  facets = facets.filter((column) => column !== index);
  setFilter(index, null);
  if (index === colorColumn) colorBy(-1);
  else fillFacets();
}

function fillValues(item, index) {
  const { values, codes } = columns[index];
  const sizes = new Int32Array(values.length + 1); // the last: of blanks
  codes.forEach((code) => sizes[code < 0 ? values.length : code]++);
  const codesShown = [...values.keys()].slice(0, MOST_VALUES);
  if (sizes[values.length]) codesShown.push(-1);
  const list = element("ul", {}, ...codesShown.map((code) => valueRow(index, code, sizes.at(code < 0 ? -1 : code))));
  item.append(list);
  if (index === colorColumn && values.length > GREY) {
    item.append(note(`The ${GREY} most frequent of ${values.length.toLocaleString("en")} values have colours, the others are grey.`));
  }
  if (values.length > MOST_VALUES) item.append(note(`and ${plural(values.length - MOST_VALUES, "value")} more`));
}

function valueRow(index, code, size) {
  const item = copy("value-row");
  const button = item.firstElementChild;
  paint(item, inkOfCode(code));
  item.querySelector(".dot").hidden = index !== colorColumn;
  item.querySelector(".name").textContent = code < 0 ? "(blank)" : columns[index].values[code];
  item.querySelector(".size").textContent = size.toLocaleString("en");
  button.setAttribute("aria-pressed", filters.get(index)?.values.has(code) ?? false);
  button.addEventListener("click", () => {
    const values = new Set(filters.get(index)?.values);
    if (!values.delete(code)) values.add(code);
    button.setAttribute("aria-pressed", values.has(code));
    setFilter(index, values.size ? { values } : null);
  });
  return item;
}

function fillRange(item, index) {
  const { kind, numbers } = columns[index];
  if (index === colorColumn) item.append(rampBar(index));
  const sorted = present(numbers);
  const shape = kind === "date" ? { type: "date" } : { type: "number", step: "any" };
  const filter = filters.get(index);
  const input = (label, end, bound) => {
    const text = kind === "date" ? day(end) : String(end);
    const value = bound === undefined || !Number.isFinite(bound) ? "" : kind === "date" ? day(bound) : String(bound);
    return element("input", { ...shape, value, placeholder: text, title: `${label} ${text}`, ariaLabel: `${columns[index].name}: ${label}` });
  };
  const [from, until] = [input("from", sorted[0], filter?.from), input("to", sorted.at(-1), filter?.until)];
  const change = () => {
    const read = (field, missing) => (field.value === "" ? missing : kind === "date" ? Date.parse(field.value) : Number(field.value));
    const last = kind === "date" ? 86_399_999 : 0; // the day that ends a span is in it
    const range = { from: read(from, -Infinity), until: read(until, Infinity) + last };
    setFilter(index, from.value || until.value ? range : null);
  };
  for (const field of [from, until]) field.addEventListener("input", change);
  item.append(element("div", { className: "range" }, from, "to", until));
  const blanks = numbers.reduce((sum, number) => sum + Number.isNaN(number), 0);
  if (blanks) item.append(note(`${plural(blanks, "text")} without a ${kind}: grey`));
}

function rampBar(index) {
  const { kind, numbers } = columns[index];
  const stops = Array.from({ length: STEPS }, (_, i) => `var(--color-${RAMP + i})`);
  const bar = element("i", {});
  bar.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  const ends = limits(numbers).map((number) => element("span", { textContent: written(number, kind) }));
  return element("div", { className: "ramp" }, bar, ...ends);
}

function wordsInput(index) {
  const { name, values } = columns[index];
  const text = filters.get(index)?.text ?? "";
  const field = element("input", { type: "search", value: text, placeholder: "has the words", ariaLabel: `${name}: words` });
  field.addEventListener("input", () => {
    const words = wordsOf(field.value);
    const passes = (value) => words.every((word) => fold(value).includes(word));
    const codes = [...values.keys()].filter((code) => passes(values[code]));
    setFilter(index, words.length ? { values: new Set(codes), text: field.value } : null);
  });
  return field;
}

const note = (textContent) => element("p", { className: "note", textContent });
