// The curves of a training run, drawn to the width there is and read with a pointer or with keys.

const { loss, metric, rate, best, verdict } = data;
const namespace = document.querySelector("svg").namespaceURI;
const margin = { left: 46, right: 20, top: 8, bottom: 22 };
const within = (value, low, high) => Math.min(Math.max(value, low), high);
const fixed = (value, digits, signDisplay = "auto") => value === null ? "–"
  : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay }).replace("-", "−");

function short(value) {
  if (value === null) return "not finite";
  const rounded = Number(value.toPrecision(4)) || 0;
  const plain = rounded === 0 || (Math.abs(rounded) >= 1e-3 && Math.abs(rounded) < 1e7);
  return (plain ? rounded.toLocaleString("en", { maximumFractionDigits: 6 }) : rounded.toExponential()).replace("-", "−");
}

function shape(parent, tag, attributes, text = "") {
  const made = parent.appendChild(document.createElementNS(namespace, tag));
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.textContent = text;
  return made;
}

/** Draws now and whenever the place has another size; on paper the drawing shrinks with its place. */
function drawn(plot, draw) {
  const redraw = () => {
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    plot.replaceChildren();
    if (width) draw(shape(plot, "svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": true }), width, height);
  };
  redraw();
  new ResizeObserver(redraw).observe(plot);
}

/** Round numbers from low to high, about as many as asked for, and how each is written. */
function ticks(low, high, wanted, least = 0) {
  const rough = (high - low) / Math.max(wanted, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(least, power * ([1, 2, 5].find((times) => times * power >= rough) ?? 10));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  const values = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return values.map((value) => [value, digits > 3 ? short(value) : fixed(value, digits)]);
}

/** The range to draw: of all values, unless a few lie far off: those stop at the edge; and of others that must be in it. */
function range(values, others = []) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const [low, high] = [0.02, 0.98].map((part) => sorted[Math.round(part * (sorted.length - 1))] ?? part);
  const bottom = Math.min(Math.max(sorted[0] ?? low, 2 * low - high), ...others);
  const top = Math.max(Math.min(sorted.at(-1) ?? high, 2 * high - low), ...others);
  const space = (top - bottom) * 0.04 || Math.abs(top) * 0.1 || 1;
  return [bottom && bottom - space, top + space];
}

// ---- Curves over the same steps; a place that is read in one is read in all. ----

const curves = [loss, metric, rate].filter((curve) => curve.mean.length);
const start = Math.min(...curves.map((curve) => curve.first[0]));
const end = Math.max(...curves.map((curve) => curve.last.at(-1)), start + 1);
const readers = [];
const read = (step) => readers.forEach((reader) => reader(step));

function chart(id, title, curve, { values = curve.mean, others = [], draw, tell = () => "", rest = curve.mean.length - 1, note = "" }) {
  if (!curve.mean.length) return;
  const figure = Object.assign(copy("chart"), { id });
  const [heading, reading, plot, below] = ["h2", ".reading", ".plot", ".note"].map((part) => figure.querySelector(part));
  [heading.textContent, below.textContent] = [title, note];
  plot.setAttribute("aria-label", `${title} by step`);
  $("examples").before(figure);
  const steps = curve.first.map((step, i) => (step + curve.last[i]) / 2);
  const [low, high] = range(values, others);
  let [at, cursor, across, x, y] = [rest];

  /** The path through the values, broken where one is missing; a lone one is a dot. */
  function line(of) {
    const place = (i) => `${x(steps[i]).toFixed(1)} ${y(of[i]).toFixed(1)}`;
    const part = (i) => (i && of[i - 1] !== null ? `L${place(i)}` : `M${place(i)}h0`);
    return of.map((value, i) => (value === null ? "" : part(i))).join("");
  }

  function point(i) {
    at = i;
    const when = [...new Set([curve.first[i], curve.last[i]])].map((step) => step.toLocaleString("en")).join(" to ");
    reading.textContent = `Step ${when}: ${short(curve.mean[i])}${tell(i)}`;
    const spoken = { min: 0, max: steps.length - 1, now: i, text: reading.textContent };
    Object.entries(spoken).forEach(([name, content]) => plot.setAttribute(`aria-value${name}`, content));
    cursor.setAttribute("transform", `translate(${x(steps[i])})`);
    cursor.lastChild.setAttribute("cy", curve.mean[i] === null ? -99 : y(curve.mean[i]));
  }

  drawn(plot, (svg, width, height) => {
    const down = height - margin.top - margin.bottom;
    across = width - margin.left - margin.right;
    x = (step) => margin.left + ((step - start) / (end - start)) * across;
    y = (value) => margin.top + within((high - value) / (high - low), 0, 1) * down;
    for (const [value, label] of ticks(low, high, down / 55)) {
      shape(svg, "path", { class: "grid", d: `M${margin.left} ${y(value)}h${across}` });
      shape(svg, "text", { x: margin.left - 8, y: y(value) + 4, "text-anchor": "end" }, label);
    }
    for (const [step, label] of ticks(start, end, across / 90, 1)) {
      shape(svg, "text", { x: x(step), y: height - 4, "text-anchor": "middle" }, label);
    }
    draw({ svg, x, y, steps, line, bucket: across / steps.length, floor: margin.top + down });
    cursor = shape(svg, "g", { class: "cursor" });
    shape(cursor, "path", { d: `M0 ${margin.top}v${down}` });
    shape(cursor, "circle", { r: 4.5 });
    point(at);
  });

  const distance = (i, step) => Math.abs(steps[i] - step);
  const nearest = (step) => steps.reduce((found, _, i) => (distance(i, step) < distance(found, step) ? i : found), 0);
  readers.push((step) => {
    plot.classList.toggle("read", step !== null);
    point(step === null ? rest : nearest(step));
  });
  for (const name of ["pointermove", "pointerdown"]) {
    plot.addEventListener(name, (event) => {
      const part = (event.clientX - plot.getBoundingClientRect().left - margin.left) / across;
      read(steps[nearest(start + part * (end - start))]);
    });
  }
  plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && read(null));
  plot.addEventListener("blur", () => read(null));
  plot.addEventListener("keydown", (event) => {
    const many = Math.ceil(steps.length / 10);
    const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -many, PageUp: many, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves)) return;
    event.preventDefault();
    const next = within(at + moves[event.key], 0, steps.length - 1);
    read(steps[next]);
    point(next); // where two points share a step, the second can be reached too
  });
}

const wide = (i) => loss.first[i] < loss.last[i];
chart("loss", "Training loss", loss, {
  values: [...loss.low, ...loss.high],
  others: [0],
  tell: (i) => (wide(i) && loss.mean[i] !== null ? ` (${short(loss.low[i])} to ${short(loss.high[i])})` : ""),
  note: (loss.mean.some((_, i) => wide(i)) ? "Bold: smoothed. Thin: the mean of neighbouring steps. Shaded: their lowest to highest." : "Bold: smoothed. Thin: each step.")
    + (data.strange ? ` Not finite, and left out: ${data.strange.toLocaleString("en")}.` : ""),
  draw({ svg, x, y, steps, line, bucket }) {
    const spread = steps.map((step, i) => (loss.mean[i] === null ? "" : `M${x(step)} ${y(loss.low[i])}V${y(loss.high[i])}`));
    shape(svg, "path", { class: "band", "stroke-width": bucket + 0.3, d: spread.join("") });
    shape(svg, "path", { class: "thin", d: line(loss.mean) });
    shape(svg, "path", { class: "line", d: line(loss.smooth) });
  },
});

// Two measurements may differ by so much by chance: the axis shows no less, so that noise is no curve.
const around = verdict?.before.every(Number.isFinite) ? verdict.before.slice(1).map((end) => end - verdict.before[0] + metric.mean[0]) : [];
const kept = (i) => best !== null && metric.first[i] <= best[0] && best[0] <= metric.last[i];
chart("metric", data.name || "Metric", metric, {
  tell: (i) => (kept(i) ? ", kept" : ""),
  rest: best ? metric.mean.findIndex((_, i) => kept(i)) : undefined,
  others: around,
  note: around.length ? "Shaded: the 95 % interval of the start. What stays inside may be chance." : "",
  draw({ svg, x, y, steps, line, floor }) {
    if (around.length) {
      const [bottom, top] = around.map(y);
      shape(svg, "rect", { class: "chance", x: x(start), width: x(end) - x(start), y: top, height: bottom - top });
    }
    shape(svg, "path", { class: "line", d: line(metric.mean) });
    for (const [i, value] of metric.mean.entries()) {
      if (steps.length <= 60 && value !== null) shape(svg, "circle", { class: "dot", r: 3, cx: x(steps[i]), cy: y(value) });
    }
    if (!best || best[1] === null) return;
    const [left, top, side] = [x(best[0]), y(best[1]), best[0] > (start + end) / 2 ? -1 : 1];
    shape(svg, "path", { class: "kept", d: `M${left} ${top + 7}V${floor}` });
    shape(svg, "circle", { class: "ring", r: 7, cx: left, cy: top });
    shape(svg, "text", { class: "strong", x: left + 7 * side, y: floor - 7, "text-anchor": side < 0 ? "end" : "start" }, "kept");
  },
});

chart("rate", "Learning rate", rate, {
  others: [0],
  draw: ({ svg, line }) => shape(svg, "path", { class: "line", d: line(rate.mean) }),
});

// ---- The verdict, and the tables. All that others wrote is text, never markup. ----

function judge({ headline, sentence, before, after, words }) {
  const [text, plot] = [".sentence", ".plot"].map((part) => $("verdict").querySelector(part));
  const say = ([value, low, high]) => `${fixed(value, 1)} (${fixed(low, 1)} to ${fixed(high, 1)})`;
  $("headline").textContent = headline;
  text.textContent = sentence;
  plot.setAttribute("aria-label", `${data.name}, before: ${say(before)}, after: ${say(after)}`);

  const [low, high] = range([...before, ...after]);
  drawn(plot, (svg, width, height) => {
    const x = (value) => 8 + ((value - low) / (high - low)) * (width - 16);
    for (const [value, label] of ticks(low, high, width / 90)) {
      shape(svg, "path", { class: "grid", d: `M${x(value)} 0V${height - margin.bottom}` });
      shape(svg, "text", { x: x(value), y: height - 4, "text-anchor": "middle" }, label);
    }
    for (const [kind, name, row, y] of [["before", words[1], before, 34], ["after", words[0], after, 86]]) {
      const [made, [value, from, to]] = [shape(svg, "g", { class: kind }), row];
      shape(made, "text", { class: "strong", x: 0, y: y - 15 }, name[0].toUpperCase() + name.slice(1));
      shape(made, "text", { class: "strong", x: width, y: y - 15, "text-anchor": "end" }, say(row));
      if (from !== null && to !== null) shape(made, "path", { class: "range", d: `M${x(from)} ${y}H${x(to)}` });
      if (value !== null) shape(made, "circle", { class: "value", r: 6, cx: x(value), cy: y });
    }
  });
}

function fill(id, rows) {
  $(id).hidden = !rows.length;
  return rows.map((cells) => {
    const row = $(id).querySelector("tbody").insertRow();
    for (const texts of cells) {
      row.insertCell().append(...[texts].flat().map((textContent) => Object.assign(document.createElement("p"), { textContent, dir: "auto" })));
    }
    return row;
  });
}

const changed = data.examples;
fill("examples", changed.map(({ texts, right, before, after }) => [texts, right, before, after]))
  .forEach((row, i) => Object.assign(row, { className: changed[i].is_better ? "better" : "worse", title: changed[i].is_better ? "Better" : "Worse" }));
$("examples").querySelector(".note").textContent = data.changes;
fill("facts", data.facts);
$("summary").textContent = [loss.mean.length && plural(loss.last.at(-1), "step"), data.evaluations && plural(data.evaluations, "evaluation")].filter(Boolean).join(", ");
$("verdict").hidden = !verdict;
$("title").hidden = !verdict; // else it stands where the headline would
if (verdict) judge(verdict);
