// Buttons, keys, the sheet that the panel is on a phone, and the first picture.

function sheet(isOpen) {
  $("panel").classList.toggle("open", isOpen);
  $("handle").setAttribute("aria-expanded", isOpen);
  redraw();
}

const sheetHeight = () => ($("panel").classList.contains("open") ? 0.72 * height : LOW_SHEET);

$("query").addEventListener("input", () => {
  state.words = wordsOf($("query").value);
  select();
});
$("query").addEventListener("focus", () => sheet(true));
$("handle").addEventListener("click", () => sheet(!$("panel").classList.contains("open")));
$("clear").addEventListener("click", showAll);
$("read").addEventListener("click", () => read(!state.reading));
$("fit").addEventListener("click", () => fly(everything()));
$("zoom-in").addEventListener("click", () => zoomBy(1.6));
$("zoom-out").addEventListener("click", () => zoomBy(1 / 1.6));
$("theme").addEventListener("click", recolor);
$("color").addEventListener("change", () => colorBy(Number($("color").value)));
$("filter").addEventListener("change", () => {
  facets = [...new Set([...facets, Number($("filter").value)])];
  fillFacets();
  $("facets").lastElementChild.scrollIntoView({ block: "nearest" });
});
$("save-csv").addEventListener("click", saveTable);
$("save-svg").addEventListener("click", saveDrawing);
$("save-png").addEventListener("click", savePicture);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") showAll();
  if (event.key !== "/" || document.activeElement.tagName === "INPUT") return;
  event.preventDefault();
  $("query").focus();
});

function fillChoices() {
  $("choices").hidden = columns.length === 0;
  columns.forEach(({ name, kind }, value) => {
    if (kind !== "text") $("color").append(element("option", { value, textContent: name }));
    $("filter").append(element("option", { value, textContent: name }));
  });
}

const strays = groups[outliers].size;
$("summary").textContent = [plural(count, "text"), plural(outliers, "cluster"), strays && plural(strays, "outlier")].filter(Boolean).join(", ");
prefersDark.addEventListener("change", recolor);
recolor();
fillChoices();
colorBy(columns.findIndex((column) => column.name === data.color));
fillList();
resize();
new ResizeObserver(resize).observe(canvas);

/** For tests, and for the curious. */
window.sememe = {
  points: count,
  visible: litCount,
  view: () => ({ ...view }),
  screen: (point) => project(xs[point], ys[point]),
  ink: (point) => inkOf[point],
};
