// The panel's list: the clusters, folded by their hierarchy if there is one, or the selected texts.

const LONGEST_LIST = 200;

const clusterRows = groups.map((_, i) => clusterRow(i));
const branchRows = [];
const topRows = data.tree.length ? data.tree.map((node) => treeRow(branch(node))) : clusterRows.slice(0, outliers).map((row) => row.item);
topRows.push(clusterRows[outliers].item);

function fillList() {
  const reading = state.words.length > 0 || state.reading;
  $("state").hidden = !filtered();
  $("status").textContent = plural(litCount(), "text") + (state.part ? ` in ${state.part.name}` : "");
  $("read").textContent = reading ? "Clusters" : "Read";
  $("read").hidden = state.words.length > 0;
  for (const row of [...clusterRows, ...branchRows]) row.show(state.part === row.part);
  if (reading) {
    $("list").replaceChildren(...textRows());
    $("list").scrollTop = 0;
  } else if (topRows[0].parentNode !== $("list")) $("list").replaceChildren(...topRows);
}

function clusterRow(i) {
  const [item, group] = [copy("cluster-row"), groups[i]];
  const [name, more, examples] = [".pick", ".more", ".examples"].map((selector) => item.querySelector(selector));
  const part = { name: group.title, groups: new Set([i]) };
  paint(item, inkOfGroup(i));
  item.querySelector(".number").textContent = group.label < 0 ? "" : group.label;
  item.querySelector(".name").textContent = group.title;
  const open = (isOpen) => {
    more.setAttribute("aria-expanded", isOpen);
    examples.hidden = !isOpen;
    if (isOpen && !examples.childElementCount) fillExamples(examples, group, part);
  };
  const show = (isPicked) => {
    if (isPicked !== item.classList.contains("picked")) open(isPicked);
    item.classList.toggle("picked", isPicked);
    item.hidden = group.size === 0 || (filtered() && !state.part && litOf[i] === 0);
    item.querySelector(".size").textContent = sizeOf([i]);
    name.setAttribute("aria-pressed", isPicked);
  };
  name.addEventListener("click", () => pick(part));
  more.addEventListener("click", () => open(examples.hidden));
  listenToPeeks(item, part);
  return { item, part, show };
}

function listenToPeeks(item, part) {
  const peek = (peeked) => {
    if (state.part) return;
    state.peek = peeked;
    repaint();
  };
  item.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && peek(part));
  item.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && peek(null));
}

/** How many texts clusters have; with filters, how many of them are selected. */
function sizeOf(below) {
  const sum = (sizes) => below.reduce((total, i) => total + sizes(i), 0);
  const [all, part] = [sum((i) => groups[i].size), sum((i) => litOf[i])];
  const isPart = filtered() && !(state.part && part === 0) && part < all;
  return (isPart ? `${part.toLocaleString("en")} of ` : "") + all.toLocaleString("en");
}

function treeRow({ name, group, groups: below, children }) {
  if (group !== undefined) return clusterRows[group].item;
  const item = copy("branch-row");
  const [toggle, title, list] = [".fold", ".pick", "ul"].map((selector) => item.querySelector(selector));
  const part = { name, groups: new Set(below) };
  item.querySelector(".name").textContent = name;
  list.append(...children.map(treeRow));
  toggle.addEventListener("click", () => {
    list.hidden = !list.hidden;
    toggle.setAttribute("aria-expanded", !list.hidden);
  });
  title.addEventListener("click", () => pick(part));
  listenToPeeks(title, part);
  branchRows.push({
    part,
    show(isPicked) {
      item.querySelector(".size").textContent = sizeOf(below);
      title.setAttribute("aria-pressed", isPicked);
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
    const part = sizes.subarray(i * inkCount, (i + 1) * inkCount);
    const bar = clusterRows[i].item.querySelector(".bar i");
    bar.style.width = `${within((100 * group.size) / (groups[0].size || 1), 1, 100)}%`;
    bar.style.background = colorColumn < 0 ? "" : barOf(part, pointsOf[i].length);
    clusterRows[i].item.title = columns[colorColumn]?.kind === "category" ? sharesOf(part, pointsOf[i].length) : "";
  });
}

function barOf(sizes, total) {
  const stops = [];
  let end = 0;
  sizes.forEach((size, ink) => {
    if (size) stops.push(`var(--color-${ink}) ${(100 * end) / total}% ${(100 * (end += size)) / total}%`);
  });
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}

/** The shares of a column's categories in words, the largest first. */
function sharesOf(sizes, total) {
  const name = (ink) => (ink === GREY ? "(blank)" : ink === OTHER ? "others" : columns[colorColumn].values[ink]);
  const largest = [...sizes.keys()].filter((ink) => sizes[ink]).sort((a, b) => sizes[b] - sizes[a]);
  return largest.map((ink) => `${name(ink)}: ${sizes[ink].toLocaleString("en")} (${Math.round((100 * sizes[ink]) / total)} %)`).join("\n");
}

function fillExamples(item, { terms, examples, size }, part) {
  if (terms.length > 4) item.append(element("p", { textContent: terms.join(", "), dir: "auto" }));
  item.append(...examples.map((textContent) => element("q", { textContent, dir: "auto" })));
  const all = element("button", { type: "button", textContent: `Read ${size === 1 ? "it" : `all ${size.toLocaleString("en")}`}` });
  all.addEventListener("click", () => {
    if (state.part !== part) pick(part);
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
  item.querySelector(".text").append(...withMarks(textOf(point), true));
  item.querySelector(".cells").textContent = columns.map((column) => cellOf(column, point)).filter(Boolean).join(" · ");
  item.firstElementChild.addEventListener("click", () => {
    pin(point);
    visit(xs[point], ys[point], Math.max(2.5, view.scale / fitted));
  });
  return item;
}

/** The text, with all of the searched words in it marked; `cut` brings the first of them into sight. */
function withMarks(text, cut) {
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
