// The tables of an evaluation: models with the intervals of their figures, and the tests.

const points = (value) => (value === null ? "–" : (100 * value).toFixed(1));
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;
const range = ({ low, high }, format = points) => (low === null ? "" : ` (${format(low)} to ${format(high)})`);

function fill(id, names, rows) {
  $(id).hidden = rows.length === 0;
  const line = (tag, cells) => {
    const row = document.createElement("tr");
    for (const cell of cells) row.insertAdjacentElement("beforeend", document.createElement(tag)).append(cell);
    return row;
  };
  $(id).querySelector("thead").append(line("th", names));
  $(id).querySelector("tbody").append(...rows.map((cells) => line("td", cells)));
}

const main = (row) => row.figures[data.metric];
const ends = data.rows.flatMap((row) => [main(row).low ?? main(row).value, main(row).high ?? main(row).value]);
const [left, right] = [Math.min(...ends), Math.max(...ends)];
const place = (value) => (right > left ? (100 * (value - left)) / (right - left) : 50);

function bar({ value, low, high }) {
  const [box, reach, mark] = ["div", "i", "b"].map((tag) => document.createElement(tag));
  box.className = "bar";
  if (low !== null) reach.style.cssText = `left: ${place(low)}%; width: ${place(high) - place(low)}%`;
  mark.style.left = `calc(${place(value)}% - 1.5px)`;
  box.append(reach, mark);
  return box;
}

const others = Object.keys(data.rows[0].figures).filter((name) => name !== data.metric);
const [best, ...equals] = data.leaders;
$("headline").textContent = data.rows.length === 1 ? best : equals.length ? "No model is clearly best" : `${best} is best`;
$("summary").textContent = `${data.kind}, ${plural(data.items, "item")}`;
$("verdict").textContent = data.verdict;
fill("models", ["Model", data.metric, "", ...others, "Seconds"], data.rows.map((row) => [
  row.model, points(main(row).value) + range(main(row)), bar(main(row)),
  ...others.map((name) => points(row.figures[name].value) + range(row.figures[name])), row.seconds.toFixed(1),
]));
$("models").querySelector("tbody tr").className = "best";
fill("tests", ["First", "Second", "Difference", "p"], data.differences.map((each) => [
  each.first, each.second, signed(each.difference) + range(each, signed), each.p.toPrecision(2),
]));
fill("failures", ["Model", "Why"], Object.entries(data.failures));
