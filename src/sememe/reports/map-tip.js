// The tooltip: of the text under the pointer, else of the one that was clicked.

const MOST_CELLS = 5; // that the pointer shows; a click shows them all

const textOf = (point) => texts[point] || "(empty)";
const tipPoint = () => (state.hover >= 0 ? state.hover : state.pinned);
const cellOf = (column, point) => column.values[column.codes[point]] ?? "";

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

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
  const [tip, point] = [$("tip"), tipPoint()];
  tip.hidden = point < 0;
  tip.classList.toggle("pinned", state.hover < 0);
  if (point >= 0) {
    tip.querySelector(".text").replaceChildren(...withMarks(textOf(point)));
    tip.querySelector(".of span").textContent = groups[groupOf[point]].title;
    tip.querySelector(".cells").replaceChildren(...cellsOf(point, state.hover < 0 ? columns.length : MOST_CELLS));
    paint(tip, inkOf[point]);
  }
  redraw();
}

/** The names and values of a text's cells, those of the column that colours it first. */
function cellsOf(point, most) {
  const filled = columns.filter((column) => column.codes[point] >= 0);
  filled.sort((a, b) => (b === columns[colorColumn]) - (a === columns[colorColumn]));
  const pairs = filled.slice(0, most).flatMap((column) => [
    element("dt", { textContent: column.name, dir: "auto" }),
    element("dd", { textContent: cellOf(column, point), dir: "auto" }),
  ]);
  if (filled.length > most) pairs.push(element("dt", { textContent: `and ${filled.length - most} more` }));
  return pairs;
}

/** Beside its text, and never under the list: on a phone it stays above the sheet. */
function placeTip() {
  const [tip, point] = [$("tip"), tipPoint()];
  if (point < 0) return;
  const bottom = narrow.matches ? height - sheetHeight() : height;
  tip.style.maxHeight = `${bottom - 24}px`;
  const [[x, y], box] = [project(xs[point], ys[point]), tip.getBoundingClientRect()];
  const beside = (at, size, end) => within(at + 16 + size > end ? at - size - 16 : at + 16, 12, end - size - 12);
  const [left, top] = [beside(x, box.width, width), Math.max(12, beside(y, box.height, bottom))];
  tip.style.visibility = x < 0 || y < 0 || x > width || y > height ? "hidden" : "visible";
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}
