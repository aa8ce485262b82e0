// The texts, where they lie, the clusters they belong to, and the user's columns.

async function inflated(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")));
}

const unpackedJson = async (base64) => (await inflated(base64)).json();
const unpackedArray = async (base64, Type) => new Type(await (await inflated(base64)).arrayBuffer());

async function unpackedColumn({ name, kind, values, codes, numbers }) {
  return {
    name,
    kind,
    values: await unpackedJson(values), // those that differ, the most frequent first
    codes: await unpackedArray(codes, Int32Array), // which of them each text has, -1 for a blank
    numbers: numbers && (await unpackedArray(numbers, Float64Array)), // NaN for a blank
  };
}

const [texts, places, members, rows, columns] = await Promise.all([
  unpackedJson(data.texts),
  unpackedArray(data.points, Int16Array),
  unpackedArray(data.members, Int32Array),
  unpackedArray(data.rows, Int32Array),
  Promise.all(data.columns.map(unpackedColumn)),
]);
const count = texts.length;
const xs = Float32Array.from({ length: count }, (_, point) => places[2 * point] / 32767);
const ys = Float32Array.from({ length: count }, (_, point) => places[2 * point + 1] / 32767);

const LONGEST_NAME = 24; // of which all is shown on the map

// The outliers are a group too, the last.
const outliers = data.clusters.length;
const groupOf = members.map((group) => (group < 0 ? outliers : group));
const pointsOf = Array.from({ length: outliers + 1 }, () => []);
groupOf.forEach((group, point) => pointsOf[group].push(point));
const groups = [
  ...data.clusters,
  { label: -1, size: pointsOf[outliers].length, name: "Outliers", terms: [], examples: [] },
];
groups.forEach((group, i) => {
  const title = group.name || group.terms.slice(0, 4).join(", ") || "unnamed"; // in the list, where there is room
  Object.assign(group, { title, name: nameOf(group) }, middle(pointsOf[i]));
});

/** What a group is called on the map, where there is little room. */
function nameOf({ name, terms }) {
  if (name && name.length <= LONGEST_NAME) return name;
  const [first = "unnamed", ...others] = name ? name.split(", ") : terms;
  const joined = (start, term) => (start.length + term.length > 17 ? start : `${start}, ${term}`);
  return others.reduce(joined, first);
}

function median(points, axis) {
  return Float32Array.from(points, (point) => axis[point]).sort()[points.length >> 1] ?? 0;
}

/** Where most of a group lies: the median of the half that is nearest to its median. */
function middle(points) {
  const [x, y] = [median(points, xs), median(points, ys)];
  const distances = Float32Array.from(points, (point) => Math.hypot(xs[point] - x, ys[point] - y));
  const reach = distances.slice().sort()[(points.length - 1) >> 1] ?? 0;
  const nearest = points.filter((_, i) => distances[i] <= reach);
  return { x: median(nearest, xs), y: median(nearest, ys), reach };
}

/** A branch of the hierarchy, or a leaf of it, with the groups that are below it. */
function branch(node) {
  if (typeof node === "number") return { group: node, groups: [node], children: [] };
  const children = node.children.map(branch);
  const below = children.flatMap((child) => child.groups).sort((a, b) => a - b);
  const name = node.name || below.slice(0, 2).map((i) => groups[i].name).join(" · ");
  return { name, groups: below, children };
}

// Drawn in an order that has nothing to do with the clusters, so that none covers the others:
// in steps of the golden section, as the seeds of a sunflower come.
const divisor = (a, b) => (b ? divisor(b, a % b) : a);
let stride = Math.ceil(count * 0.618);
while (divisor(stride, count) > 1) stride++;
const order = Uint32Array.from({ length: count }, (_, i) => (i * stride) % count);
