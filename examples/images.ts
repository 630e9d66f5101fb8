/**
 * Trains a stack of MambaND layers to tell apart small images that it draws itself: a circle, a
 * square, a cross or a diamond, of any size, anywhere, in noise. An image is a grid of patches;
 * each layer scans it along another axis or in another direction.
 */
import { Linear, Module, RMSNorm } from '@mambagrad/nn';
import { integers, manualSeed, normal, type Tensor, tensor, uniform } from '@mambagrad/tensor';
import { GridLayer } from './gridLayer.ts';
import { readOptions } from './options.ts';
import { type Batch, percent, predict, trainClassifier } from './training.ts';

const options = readOptions(
  'Trains a stack of MambaND layers to tell shapes apart.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    steps: { help: 'training steps', default: 150 },
    batch: { help: 'images per step', default: 32 },
    layers: { help: 'MambaND layers', default: 4 },
    hidden: { help: 'width of the model', default: 16 },
    lr: { help: 'highest learning rate', default: 0.01, min: 0, fraction: true },
  },
  {},
);

/** Images of 16 × 16 pixels, in patches of 2 × 2. */
const SIZE = 16;
const PATCH = 2;
const GRID = SIZE / PATCH;

/** Whether a point, seen from the centre of a shape of radius r, is on its line. */
type Shape = (x: number, y: number, r: number) => boolean;

const [abs, max, min] = [Math.abs, Math.max, Math.min];
const shapes: Readonly<Record<string, Shape>> = {
  circle: (x, y, r) => abs(Math.hypot(x, y) - r) < 0.7,
  square: (x, y, r) => abs(max(abs(x), abs(y)) - r) < 0.5,
  diamond: (x, y, r) => abs(abs(x) + abs(y) - r) < 0.7,
  cross: (x, y, r) => min(abs(x), abs(y)) < 0.5 && max(abs(x), abs(y)) < r,
};
const names = Object.keys(shapes);

/** Images [count, SIZE, SIZE], 1 on the line and 0 elsewhere, in noise; labels by `names`. */
function draw(count: number): Batch {
  const labels = integers([count], 0, names.length);
  const random = uniform([count, 3]).data;
  const pixels = Array.from({ length: count }, (_, image) => {
    const [size, across, down] = random.slice(3 * image, 3 * image + 3);
    const radius = 3 + 4 * size;
    const [left, top] = [across, down].map((at) => radius + at * (SIZE - 1 - 2 * radius));
    const isOn = shapes[names[labels.data[image]]];
    return Array.from({ length: SIZE * SIZE }, (_pixel, i) =>
      isOn((i % SIZE) - left, Math.floor(i / SIZE) - top, radius) ? 1 : 0,
    );
  });
  const images = tensor(pixels).reshape([count, SIZE, SIZE]);
  return { inputs: images.add(normal(images.shape, 0, 0.25)), labels };
}

class Classifier extends Module {
  readonly embedding = new Linear(PATCH * PATCH, options.hidden);
  readonly layers =
    Array.from({ length: options.layers }, (_, i) => new GridLayer(options.hidden, i));
  readonly norm = new RMSNorm(options.hidden);
  readonly head = new Linear(options.hidden, names.length);

  forward(images: Tensor): Tensor {
    const patches = images
      .reshape([images.shape[0], GRID, PATCH, GRID, PATCH])
      .permute([0, 1, 3, 2, 4])
      .reshape([images.shape[0], GRID, GRID, PATCH * PATCH]);
    const h = this.layers.reduce((x, layer) => layer.forward(x), this.embedding.forward(patches));
    return this.head.forward(this.norm.forward(h).mean([1, 2]));
  }
}

manualSeed(options.seed);
const model = new Classifier();
console.log(
  `A stack of ${options.layers} MambaND layers, ${model.parameterCount().toLocaleString('en')} ` +
    `parameters, learns to tell ${names.join(', ')} apart.`,
);
await trainClassifier(model, draw, options);

const fresh = draw(512);
const predicted = predict(model, fresh.inputs);
const accuracy = predicted.equal(fresh.labels).cast('f32').mean().item();
console.log(`Accuracy on 512 fresh images: ${percent(accuracy)} (by chance 25.0 %)\n`);

/** The first images side by side, dark where they are bright, and what they were taken for. */
const shown = [0, 1, 2, 3].map((i) => fresh.inputs.narrow(0, i, 1).squeeze(0).unbind());
for (let row = 0; row < SIZE; row++) {
  const lines = shown.map((image) =>
    Array.from(image[row].data, (value) => (value > 0.75 ? '█' : value > 0.4 ? '░' : ' ')).join(''),
  );
  console.log(lines.join('  '));
}
console.log(shown.map((_, i) => names[predicted.data[i]].padEnd(SIZE)).join('  '));
