// The panel's list: the clusters, folded by their hierarchy if there is one, or the selected texts.

const LONGEST_LIST = 200;

const clusterRows = groups.map((_, i) => clusterRow(i));
const branchRows = [];
const topRows = data.tree.length ? data.tree.map((node) => treeRow(branch(node))) : clusterRows.slice(0, outliers).map((row) => row.item);
topRows.push(clusterRows[outliers].item);

function fillList() {
  const reading = state.words.length > 0 || state.reading;
  $("state").hidden = !filtered();
  $("status").textContent = plural(litCount(), "text") + (state.chosen ? ` in ${state.name}` : "");
  $("read").textContent = reading ? "Clusters" : "Read";
  $("read").hidden = state.words.length > 0;
  clusterRows.forEach((row, i) => row.show(state.chosen?.size === 1 && state.chosen.has(i)));
  branchRows.forEach((row) => row.show());
  if (reading) {
    $("list").replaceChildren(...textRows());
    $("list").scrollTop = 0;
  } else if (topRows[0].parentNode !== $("list")) $("list").replaceChildren(...topRows);
}

function clusterRow(i) {
  const [item, group] = [copy("cluster-row"), groups[i]];
  const [pick, more, examples] = [".pick", ".more", ".examples"].map((part) => item.querySelector(part));
  paint(item, inkOfGroup(i));
  item.querySelector(".name").textContent = data.clusters[i]?.name || group.terms.slice(0, 4).join(", ") || group.name;
  const open = (isOpen) => {
    more.setAttribute("aria-expanded", isOpen);
    examples.hidden = !isOpen;
    if (isOpen && !examples.childElementCount) fillExamples(examples, i);
  };
  const show = (isChosen) => {
    if (isChosen !== item.classList.contains("chosen")) open(isChosen);
    item.classList.toggle("chosen", isChosen);
    item.hidden = group.size === 0 || (filtered() && !state.chosen && litOf[i] === 0);
    item.querySelector(".size").textContent = sizeOf([i]);
    pick.setAttribute("aria-pressed", isChosen);
  };
  pick.addEventListener("click", () => choose(new Set([i]), group.name));
  more.addEventListener("click", () => open(examples.hidden));
  listenToPeeks(item, new Set([i]));
  return { item, show };
}

function listenToPeeks(item, below) {
  const peek = (part) => {
    if (state.chosen) return;
    state.peek = part;
    repaint();
  };
  item.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && peek(below));
  item.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && peek(null));
}

/** How many texts clusters have; with filters, how many of them are selected. */
function sizeOf(below) {
  const sum = (sizes) => below.reduce((total, i) => total + sizes(i), 0);
  const [all, part] = [sum((i) => groups[i].size), sum((i) => litOf[i])];
  const isPart = filtered() && !(state.chosen && part === 0) && part < all;
  return (isPart ? `${part.toLocaleString("en")} of ` : "") + all.toLocaleString("en");
}

function treeRow({ name, group, groups: below, children }) {
  if (group !== undefined) return clusterRows[group].item;
  const item = copy("branch-row");
  const [fold, pick, list] = [".fold", ".pick", "ul"].map((part) => item.querySelector(part));
  item.querySelector(".name").textContent = name;
  list.append(...children.map(treeRow));
  fold.addEventListener("click", () => {
    list.hidden = !list.hidden;
    fold.setAttribute("aria-expanded", !list.hidden);
  });
  pick.addEventListener("click", () => choose(new Set(below), name));
  listenToPeeks(pick, new Set(below));
  branchRows.push({
    show() {
      item.querySelector(".size").textContent = sizeOf(below);
      pick.setAttribute("aria-pressed", state.chosen !== null && state.name === name);
    },
  });
  return item;
}

/** Each cluster's bar: as long as it is large, in parts where a column colours the texts. */
function fillShares() {
  const inkCount = RAMP + STEPS;
  const sizes = new Uint32Array(groups.length * inkCount);
  for (let point = 0; point < count; point++) sizes[groupOf[point] * inkCount + inkOf[point]]++;
  groups.forEach((group, i) => {
    const bar = clusterRows[i].item.querySelector(".bar i");
    bar.style.width = `${within((100 * group.size) / (groups[0].size || 1), 1, 100)}%`;
    bar.style.background = colored < 0 ? "" : partsOf(sizes.subarray(i * inkCount, (i + 1) * inkCount), group.size);
  });
}

function partsOf(sizes, total) {
  const stops = [];
  let end = 0;
  sizes.forEach((size, ink) => {
    if (size) stops.push(`var(--color-${ink}) ${(100 * end) / total}% ${(100 * (end += size)) / total}%`);
  });
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}

function fillExamples(item, i) {
  const { terms, examples, size } = groups[i];
  if (terms.length > 4) item.append(element("p", { textContent: terms.join(", "), dir: "auto" }));
  item.append(...examples.map((textContent) => element("q", { textContent, dir: "auto" })));
  const all = element("button", { type: "button", textContent: `Read ${size === 1 ? "it" : `all ${size.toLocaleString("en")}`}` });
  all.addEventListener("click", () => {
    if (!state.chosen?.has(i) || state.chosen.size > 1) choose(new Set([i]), groups[i].name);
    read(true);
    sheet(true);
  });
  item.append(all);
}

function read(isReading) {
  state.reading = isReading;
  fillList();
}

function textRows() {
  const points = [];
  for (let point = 0; point < count && points.length < LONGEST_LIST; point++) if (lit[point]) points.push(point);
  const items = points.map(textRow);
  const rest = litCount() - points.length;
  if (rest) items.push(element("li", {}, note(`and ${plural(rest, "text")} more`)));
  if (!points.length) items.push(element("li", {}, note(state.words.length ? "No text has all of these words." : "No text passes the filters.")));
  return items;
}

function textRow(point) {
  const item = copy("text-row");
  paint(item, inkOf[point]);
  item.querySelector(".text").append(...marked(shown(point), true));
  item.querySelector(".cells").textContent = columns.map((column) => cellOf(column, point)).filter(Boolean).join(" · ");
  item.firstElementChild.addEventListener("click", () => {
    pin(point);
    visit(xs[point], ys[point], Math.max(2.5, view.scale / fitted));
  });
  return item;
}

/** The text, with all of the searched words in it marked; `cut` brings the first of them into sight. */
function marked(text, cut) {
  const spans = matches(text);
  if (!spans.length) return [text];
  const start = cut && spans[0][0] > 90 ? spans[0][0] - 40 : 0;
  const parts = [start ? "…" : ""];
  let end = start;
  for (const [from, until] of spans) {
    if (from > end) parts.push(text.slice(end, from));
    if (until > end) parts.push(element("mark", { textContent: text.slice(Math.max(from, end), until) }));
    end = Math.max(end, until);
  }
  return [...parts, text.slice(end)];
}

/** Where the searched words stand in a text, in order: found in its folded form, shown in its own. */
function matches(text) {
  if (!state.words.length) return [];
  const places = [];
  let plain = "";
  let at = 0;
  for (const character of text) {
    const letters = fold(character);
    for (let i = 0; i < letters.length; i++) places.push([at, at + character.length]);
    plain += letters;
    at += character.length;
  }
  const spans = [];
  for (const word of state.words) {
    for (let i = plain.indexOf(word); i >= 0; i = plain.indexOf(word, i + word.length)) {
      spans.push([places[i][0], places[i + word.length - 1][1]]);
    }
  }
  return spans.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
}
