// Colours: of the clusters, or of a column's categories, numbers or dates.

// Lightness, chroma and hue. Chosen to lie far apart for people who see red and green alike, too,
// and to stand out from the paper by 3 to 1.
const PALETTES = {
  light: [
    [0.54, 0.22, 264], [0.52, 0.19, 32], [0.62, 0.1, 192], [0.38, 0.16, 344], [0.64, 0.13, 80], [0.66, 0.13, 288],
    [0.48, 0.1, 160], [0.67, 0.22, 0], [0.38, 0.13, 264], [0.5, 0.1, 320], [0.44, 0.22, 296], [0.38, 0.1, 48],
  ],
  dark: [
    [0.7, 0.16, 248], [0.7, 0.14, 80], [0.62, 0.18, 16], [0.74, 0.16, 160], [0.56, 0.18, 272], [0.82, 0.1, 0],
    [0.82, 0.12, 216], [0.82, 0.18, 112], [0.54, 0.18, 328], [0.62, 0.1, 192], [0.7, 0.18, 336], [0.54, 0.16, 136],
  ],
};
const GREY = 12; // the first after those: outliers and blank cells
const OTHER = 13; // the less frequent categories
const RAMP = 14; // where the colours of numbers begin
const STEPS = 24;

const inkOf = new Uint8Array(count); // the colour of each text
let colorColumn = -1; // the column whose colours they are, -1 for the clusters
let [colors, inks, paper, pen] = [[], [], [], []]; // inks, paper, pen: red, green and blue

const css = (color) => `oklch(${color.join(" ")})`;

/** From little to much, away from the paper. */
function ramp(isDark) {
  const at = (share) => (isDark ? [0.45 + 0.45 * share, 0.15, 290 - 190 * share] : [0.8 - 0.47 * share, 0.14, 100 + 190 * share]);
  return Array.from({ length: STEPS }, (_, i) => at(i / (STEPS - 1)));
}

function palette(isDark) {
  const greys = isDark ? [[0.45, 0.01, 260], [0.62, 0.015, 260]] : [[0.78, 0.01, 260], [0.62, 0.015, 260]];
  return [...PALETTES[isDark ? "dark" : "light"], ...greys, ...ramp(isDark)];
}

/** Red, green and blue of CSS colours. */
function rgb(names) {
  const brush = new OffscreenCanvas(names.length, 1).getContext("2d");
  names.forEach((name, i) => {
    brush.fillStyle = name;
    brush.fillRect(i, 0, 1, 1);
  });
  const { data: pixels } = brush.getImageData(0, 0, names.length, 1);
  return names.map((_, i) => pixels.slice(4 * i, 4 * i + 3));
}

function recolor() {
  colors = palette(dark());
  colors.forEach((color, i) => document.documentElement.style.setProperty(`--color-${i}`, css(color)));
  inks = rgb(colors.map(css));
  const { backgroundColor, color } = getComputedStyle(document.body);
  [paper, pen] = rgb([backgroundColor, color]);
  repaint();
}

/** Gives an element one of the colours, in whatever theme. */
const paint = (element, ink) => element.style.setProperty("--color", `var(--color-${ink})`);
const inkOfGroup = (group) => groups[group].color ?? GREY;
const inkOfCode = (code) => (code < 0 ? GREY : code < GREY ? code : OTHER);

/** A column's numbers in order; of no number, a nought. */
function present(numbers) {
  const sorted = numbers.filter((number) => !Number.isNaN(number)).sort();
  return sorted.length ? sorted : [0];
}

/** The ends of a column's colours: few values far off leave the others their shades. */
function limits(numbers) {
  const sorted = present(numbers);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return at(0.02) < at(0.98) ? [at(0.02), at(0.98)] : [sorted[0], sorted.at(-1)];
}

function inkOfNumber([low, high]) {
  const shade = (number) => Math.floor(((number - low) / (high - low || 1)) * STEPS);
  return (number) => (Number.isNaN(number) ? GREY : RAMP + Math.min(STEPS - 1, Math.max(0, shade(number))));
}

function colorBy(column) {
  colorColumn = column;
  document.body.classList.toggle("by-column", column >= 0);
  if (column < 0) groupOf.forEach((group, point) => (inkOf[point] = inkOfGroup(group)));
  else if (columns[column].numbers) inkOf.set(Array.from(columns[column].numbers, inkOfNumber(limits(columns[column].numbers))));
  else inkOf.set(Array.from(columns[column].codes, inkOfCode));
  $("color").value = column;
  fillShares();
  fillFacets();
  fillTip();
  repaint();
}

/** What the colours mean: [ink, words] each, the shades of numbers at five places. */
function legend() {
  if (colorColumn < 0) return [];
  const { kind, values, numbers } = columns[colorColumn];
  if (!numbers) {
    const entries = values.slice(0, GREY).map((value, code) => [inkOfCode(code), value]);
    return values.length > entries.length ? [...entries, [OTHER, plural(values.length - entries.length, "other")]] : entries;
  }
  const [low, high] = limits(numbers);
  const places = low < high ? [0, 0.25, 0.5, 0.75, 1] : [0];
  return places.map((share) => [RAMP + Math.round(share * (STEPS - 1)), written(low + share * (high - low), kind)]);
}

const written = (number, kind) => (kind === "date" ? day(number) : Number(number.toPrecision(4)).toLocaleString("en"));
const day = (time) => new Date(time).toISOString().slice(0, 10);
