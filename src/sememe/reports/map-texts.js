// The texts, where they lie, the clusters they belong to, and a colour for each.

const unpack = (base64, Type) =>
  new Type(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer);

const { texts } = data;
const count = texts.length;
const places = Float32Array.from(unpack(data.points, Int16Array), (value) => value / 32767);
const [xs, ys] = [places.filter((_, i) => i % 2 === 0), places.filter((_, i) => i % 2 === 1)];

// The outliers are a group too, the last.
const outliers = data.clusters.length;
const groupOf = unpack(data.members, Int32Array).map((group) => (group < 0 ? outliers : group));
const members = Array.from({ length: outliers + 1 }, () => []);
groupOf.forEach((group, point) => members[group].push(point));
const groups = [...data.clusters, { size: members[outliers].length, terms: [], examples: [] }];
groups.forEach((group, i) => Object.assign(group, { name: nameOf(i) }, middle(members[i])));
const colorOf = [...assignColors(), 24];

// Drawn in an order that has nothing to do with the clusters, so that none covers the others.
const hash = (point) => Math.imul(point + 1, 2654435761) >>> 0;
const order = Uint32Array.from(texts.keys()).sort((a, b) => hash(a) - hash(b));

function nameOf(group) {
  if (group === outliers) return "Outliers";
  const [first = "unnamed", ...others] = groups[group].terms;
  return others.reduce(
    (name, term) => (name.length + term.length > 17 ? name : `${name}, ${term}`), first);
}

/** Where most of a group lies: the median of the half that is nearest to its median. */
function middle(points) {
  const median = (some, axis) => some.map((point) => axis[point]).sort((a, b) => a - b)[some.length >> 1] ?? 0;
  const [x, y] = [median(points, xs), median(points, ys)];
  const distance = (point) => Math.hypot(xs[point] - x, ys[point] - y);
  const near = [...points].sort((a, b) => distance(a) - distance(b)).slice(0, (points.length + 1) >> 1);
  return { x: median(near, xs), y: median(near, ys), reach: near.length ? distance(near.at(-1)) : 0 };
}

/** One of 24 colours for each cluster; clusters that have to share one lie far apart. */
function assignColors() {
  const chosen = [];
  groups.slice(0, outliers).forEach((group, i) => {
    if (i < 24 || i > 500) return chosen.push(i % 24);
    const cost = new Array(24).fill(0);
    chosen.forEach((color, j) => {
      cost[color] += 20 + 1 / (0.002 + (groups[j].x - group.x) ** 2 + (groups[j].y - group.y) ** 2);
    });
    return chosen.push(cost.indexOf(Math.min(...cost)));
  });
  return chosen;
}

/** Lightness, chroma and hue of the 24 colours, and of the outliers' grey. The golden angle keeps
 * successive hues apart, and three tiers of lightness tell those that come near. */
function palette(dark) {
  const tiers = dark
    ? [[0.74, 0.15], [0.64, 0.19], [0.85, 0.12]]
    : [[0.62, 0.19], [0.73, 0.16], [0.5, 0.16]];
  const colors = Array.from({ length: 24 }, (_, i) => [...tiers[i % 3], (255 + i * 137.508) % 360]);
  return [...colors, [dark ? 0.5 : 0.74, 0.01, 260]];
}

const css = (color) => `oklch(${color.join(" ")})`;
