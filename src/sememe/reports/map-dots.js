// The dots, written straight into the pixels of a picture that is larger than the screen, so that
// moving the view moves the picture: no GPU is needed for a hundred thousand of them.

const MARGIN = 256; // pixels of the picture beyond each edge of the screen
const QUICK = 8; // milliseconds: a picture drawn in less is drawn anew for each step of a zoom
const SETTLED = 120; // milliseconds after the last step of a zoom
const FAINT = 0.2;

const picture = { canvas: new OffscreenCanvas(1, 1), x: 0, y: 0, scale: 0, cost: 0, isStale: true };
let [image, pixels, settling] = [null, null, 0];

/** Draws the dots where the view is: the picture as it is, moved, or drawn anew. */
function showDots(context) {
  const growth = view.scale / picture.scale;
  const isRough = Math.abs(growth - 1) > 1e-9;
  if (picture.isStale || (isRough && (picture.cost < QUICK || growth > 2)) || !covers(growth)) drawPicture();
  else if (isRough) settle();
  const size = view.scale / picture.scale;
  const [left, top] = corner(size);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(picture.canvas, left, top, image.width * size, image.height * size);
}

/** Where on the screen's canvas the picture begins, in whole pixels. */
function corner(growth) {
  const [dx, dy] = [(picture.x - view.x) * view.scale * ratio, (view.y - picture.y) * view.scale * ratio];
  const [middleX, middleY] = center().map((value) => value * ratio);
  return [middleX + dx - (middleX + MARGIN) * growth, middleY + dy - (middleY + MARGIN) * growth].map(Math.round);
}

function covers(growth) {
  const [left, top] = corner(growth);
  return left <= 0 && top <= 0 && left + image.width * growth >= canvas.width && top + image.height * growth >= canvas.height;
}

function settle() {
  clearTimeout(settling);
  settling = setTimeout(repaint, SETTLED);
}

function resizePicture() {
  picture.canvas.width = canvas.width + 2 * MARGIN;
  picture.canvas.height = canvas.height + 2 * MARGIN;
  image = new ImageData(picture.canvas.width, picture.canvas.height);
  pixels = new Uint32Array(image.data.buffer);
  picture.isStale = true;
}

function drawPicture() {
  const start = performance.now();
  Object.assign(picture, view, { isStale: false });
  pixels.fill(packed(paper));
  const size = radius() * ratio;
  if (!filtered() && state.peek === null) dots(size, 0.92, paper, null);
  else {
    dots(size, FAINT, paper, (point) => !bright(point));
    if (state.words.length && state.peek === null) dots(size * emphasis(), 1, pen, bright);
    else dots(size, 0.92, paper, bright);
  }
  picture.canvas.getContext("2d").putImageData(image, 0, 0);
  picture.cost = performance.now() - start;
}

const bright = (point) => lit[point] && (state.peek === null || state.peek.groups.has(groupOf[point]));
const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

/** How much larger the texts that a search finds are: the fewer, the larger. */
const emphasis = () => within(Math.sqrt((0.1 * count) / (litCount() + 1)), 1.1, radius() < 3 ? 2.2 : 1.6);

/** Draws the texts that pass as dots with a rim, which parts dots that overlap. */
function dots(size, alpha, rim, passes) {
  const [zeroX, zeroY] = project(0, 0).map((value) => value * ratio + MARGIN);
  const [scale, stamps, reach] = [view.scale * ratio, stampsOf(size, alpha), Math.ceil(size) + 2];
  const [across, down] = [image.width - reach, image.height - reach];
  for (let i = 0; i < count; i++) {
    const point = order[i];
    const x = Math.round((zeroX + xs[point] * scale) * 4 - 2); // in quarters of a pixel
    const y = Math.round((zeroY - ys[point] * scale) * 4 - 2);
    const [column, row] = [x >> 2, y >> 2];
    if (column < reach || row < reach || column >= across || row >= down) continue;
    if (passes === null || passes(point)) printDot(stamps[4 * (y & 3) + (x & 3)], row * image.width + column, inks[inkOf[point]], rim);
  }
}

/** A dot's pixels, and how much of each its ink and its rim cover, at sixteen places within a pixel. */
function stampsOf(size, alpha) {
  const outer = size + Math.min(0.7 * ratio, size / 5);
  const reach = Math.ceil(outer + 1);
  const covered = (distance, edge) => Math.round(256 * alpha * within(edge + 0.5 - distance, 0, 1));
  return Array.from({ length: 16 }, (_, place) => {
    const stamp = [];
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        const distance = Math.hypot(x - (place & 3) / 4, y - (place >> 2) / 4);
        const [ink, all] = [covered(distance, size), covered(distance, outer)];
        if (all > 0) stamp.push(y * image.width + x, ink, all - ink);
      }
    }
    return Int32Array.from(stamp);
  });
}

function printDot(stamp, place, color, rim) {
  const [red, green, blue, rimRed, rimGreen, rimBlue] = [color[0], color[1], color[2], rim[0], rim[1], rim[2]];
  for (let i = 0; i < stamp.length; i += 3) {
    const [at, ink, edge] = [place + stamp[i], stamp[i + 1], stamp[i + 2]];
    const [under, rest] = [pixels[at], 256 - ink - edge];
    const r = ((under & 255) * rest + red * ink + rimRed * edge) >> 8;
    const g = (((under >> 8) & 255) * rest + green * ink + rimGreen * edge) >> 8;
    const b = (((under >> 16) & 255) * rest + blue * ink + rimBlue * edge) >> 8;
    pixels[at] = 0xff000000 | (b << 16) | (g << 8) | r;
  }
}
