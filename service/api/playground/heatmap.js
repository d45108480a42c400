// Lays a heat map over the part of the picture that the model saw; warm speaks for the label, cold against it.

const FOR = [226, 88, 34];
const AGAINST = [43, 108, 200];

// The part of a picture that becomes the model's input, `[x, y, width, height]` in the picture's own pixels.
export function seenPart(bitmap, input) {
  if (input.resize === "stretch") return [0, 0, bitmap.width, bitmap.height];
  const scale = Math.min(bitmap.width, bitmap.height) / input.resize_to;
  const width = Math.min(bitmap.width, input.width * scale);
  const height = Math.min(bitmap.height, input.height * scale);
  return [(bitmap.width - width) / 2, (bitmap.height - height) / 2, width, height];
}

export function drawHeat(canvas, { values, rows, columns }, width, height) {
  const small = document.createElement("canvas");
  small.width = columns;
  small.height = rows;
  const context = small.getContext("2d");
  const image = context.createImageData(columns, rows);
  const most = Math.max(...values.map(Math.abs)) || 1;
  values.forEach((value, place) => {
    const [red, green, blue] = value > 0 ? FOR : AGAINST;
    image.data.set([red, green, blue, Math.round((255 * Math.abs(value)) / most)], place * 4);
  });
  context.putImageData(image, 0, 0);
  canvas.width = width;
  canvas.height = height;
  const target = canvas.getContext("2d");
  target.imageSmoothingQuality = "high";
  target.drawImage(small, 0, 0, width, height);
}
