// Sums and pictures over the pixels of canvases.
const pixels = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;

const psnrOf = (source, clean) => {
  const [ours, theirs] = [pixels(source), pixels(clean)];
  let sum = 0;
  for (let i = 0; i < ours.length; i += 1) if (i % 4 !== 3) sum += (ours[i] - theirs[i]) ** 2;
  return 10 * Math.log10((255 ** 2 * ours.length * 0.75) / sum);
};

const ERROR_TOP = 40; // of 255, and the end of the colours

// From black over violet and orange to pale yellow; 0 to 1.
const heat = (value) => {
  const stops = [[8, 8, 20], [92, 22, 110], [214, 68, 64], [250, 166, 50], [252, 250, 200]];
  const place = Math.min(1, value) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(place));
  return stops[index].map((from, channel) => from + (stops[index + 1][channel] - from) * (place - index));
};

const errorMap = (source, clean) => {
  const [ours, theirs] = [pixels(source), pixels(clean)];
  const canvas = make("canvas", { width: source.width, height: source.height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(source.width, source.height);
  for (let i = 0; i < ours.length; i += 4) {
    const error = (Math.abs(ours[i] - theirs[i]) + Math.abs(ours[i + 1] - theirs[i + 1]) + Math.abs(ours[i + 2] - theirs[i + 2])) / 3;
    image.data.set([...heat(error / ERROR_TOP).map(Math.round), 255], i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
};
