/**
 * The loss as it falls: gradient descent on the two moons of the chapter. On top is the loss at
 * each step, and below what the network says of each point of the plane, before, during and after.
 */
import { element, shorten } from '#markup';
import { crossEntropy } from '@mambagrad/nn';
import {
  compile, Generator, grad, noGrad, normal, type Tensor, tensor, uniform, zeros,
} from '@mambagrad/tensor';
import {
  type Box, box, type Color, line, type Mark, number, picture, type Point, text, WIDTH,
} from './kit.ts';

/** How long a network is trained, and how. */
export interface TrainingLossOptions {
  /** Steps of gradient descent. Default 300. */
  readonly steps?: number;
  /** How far a step goes along the gradient. Default 0.5. */
  readonly lr?: number;
  /** The number of hidden neurons. Default 16. */
  readonly hidden?: number;
  /** Of the weights at the start. Default 1. */
  readonly seed?: number;
}

/** Points of two interlocking half circles, and which of them each belongs to. */
function moons(count: number): { points: Tensor; labels: Tensor } {
  const generator = new Generator(1);
  const angles = uniform([count], 0, Math.PI, { generator });
  const labels = tensor(Array.from({ length: count }, (_, i) => i % 2), { dtype: 'i32' });
  const isSecond = labels.equal(1);
  const x = isSecond.where(angles.cos().neg().add(1), angles.cos());
  const y = isSecond.where(angles.sin().neg().add(0.5), angles.sin());
  const points = x.stack([y], 1).add(normal([count, 2], 0, 0.2, { generator }));
  return { points, labels };
}

const data = moons(200);
/** The part of the plane that is shown, and the number of cells that it is divided into. */
const [LEFT, TOP, RIGHT, BOTTOM] = [-1.6, 1.8, 2.6, -1.2];
const [COLUMNS, ROWS] = [28, 20];
/** The middle of each cell, row after row. */
const cells = tensor(Array.from({ length: ROWS * COLUMNS }, (_, i) => [
  LEFT + (i % COLUMNS + 0.5) * (RIGHT - LEFT) / COLUMNS,
  TOP + (Math.floor(i / COLUMNS) + 0.5) * (BOTTOM - TOP) / ROWS,
]));

/** A network in training: the loss before each step so far. */
class Training {
  readonly losses: number[] = [];
  readonly #step: () => Tensor;
  readonly #parameters: readonly Tensor[];

  constructor(hidden: number, lr: number, seed: number) {
    const generator = new Generator(seed);
    const weights = (shape: readonly number[], bound: number): Tensor =>
      uniform(shape, -bound, bound, { generator });
    this.#parameters = [weights([2, hidden], 0.7), zeros([hidden]), weights([hidden, 2], 0.25),
      zeros([2])];
    for (const parameter of this.#parameters) parameter.requiresGrad = true;
    // Compiled, so that a reader need not wait; without fused multiply-add, for the same bits on
    // every machine.
    this.#step = compile(() => {
      const loss = crossEntropy(this.#logits(data.points), data.labels);
      const gradients = grad(loss, this.#parameters);
      this.#parameters.forEach((parameter, i) =>
        parameter.assign(parameter.sub(gradients[i].mul(lr))));
      return loss;
    }, { deterministic: true, threads: 1 });
  }

  step(): void {
    this.losses.push(this.#step().item());
  }

  /** How sure the network is of one class or the other in each cell, from −1 to 1. */
  beliefs(): number[][] {
    const values = noGrad(() => this.#logits(cells).softmax(1).narrow(1, 0, 1).mul(2).sub(1).data);
    return Array.from({ length: ROWS }, (_, i) =>
      Array.from(values.subarray(i * COLUMNS, (i + 1) * COLUMNS)));
  }

  #logits(points: Tensor): Tensor {
    const [W1, b1, W2, b2] = this.#parameters;
    return points.matmul(W1).add(b1).tanh().matmul(W2).add(b2);
  }
}

/** What a network said after some of the steps of its training. */
interface Moment {
  readonly step: number;
  readonly beliefs: readonly (readonly number[])[];
}

/** The training that was drawn last: a longer one goes on from there, as a reader watches it. */
let latest: { key: string; training: Training; moments: Map<number, Moment> } | undefined;

/** The losses of a training, and its moments at some steps, of which the last is its end. */
function train(
  { hidden, lr, seed }: Required<Omit<TrainingLossOptions, 'steps'>>, shown: readonly number[],
): { losses: readonly number[]; moments: readonly Moment[] } {
  const key = `${hidden}, ${lr}, ${seed}`;
  const isKnown = ({ training, moments }: NonNullable<typeof latest>): boolean =>
    shown.every((step) => step >= training.losses.length || moments.has(step));
  if (latest?.key !== key || !isKnown(latest)) {
    latest = { key, training: new Training(hidden, lr, seed), moments: new Map() };
  }
  const { training, moments } = latest;
  for (const step of shown) {
    while (training.losses.length < step) training.step();
    if (!moments.has(step)) moments.set(step, { step, beliefs: training.beliefs() });
  }
  const last = shown[shown.length - 1];
  return {
    losses: training.losses.slice(0, last),
    moments: shown.flatMap((step) => moments.get(step) ?? []),
  };
}

const [MARGIN, GAP] = [14, 12];
const PLOT: Box = { x: 46, y: 40, width: WIDTH - 46 - MARGIN, height: 130 };
const PANEL_TOP = PLOT.y + PLOT.height + 84;
const PANEL_WIDTH = (WIDTH - 2 * MARGIN - 2 * GAP) / 3;
const PANEL_HEIGHT = PANEL_WIDTH * ROWS / COLUMNS;
/** Besides the first and the last step, the network is shown after so many. */
const MIDDLE = 100;

/** Draws the loss over the steps, and what the network says after some of them. */
export function draw(options: TrainingLossOptions = {}): string {
  const { steps = 300, lr = 0.5, hidden = 16, seed = 1 } = options;
  const shown = [...new Set([0, Math.min(MIDDLE, steps), steps])];
  const { losses, moments } = train({ hidden, lr, seed }, shown);
  const said = losses.length === 0 ? 'Nothing is trained yet.'
    : `The loss is ${number(losses[0], 2)} at first, and ${number(losses[steps - 1], 2)} at last.`;
  return picture({
    height: PANEL_TOP + PANEL_HEIGHT + MARGIN,
    title: `The loss over ${steps} steps of training`,
    description: said,
  }, [
    text(MARGIN, 20, 'loss', { class: 'bold', color: 'c0' }),
    ...axes(steps, losses),
    line(losses.map((loss, i): Point => [xOf(i, steps), yOf(loss, losses)]), {
      color: 'c0', class: 'thick',
    }),
    text(MARGIN, PANEL_TOP - 36, 'what the network says of the plane', { class: 'bold' }),
    ...moments.flatMap((moment, i) => panel(moment, MARGIN + i * (PANEL_WIDTH + GAP))),
  ]);
}

const xOf = (step: number, steps: number): number =>
  PLOT.x + PLOT.width * step / Math.max(steps - 1, 1);

/** Losses from 0 to the highest, or to 0.8, so that the scale does not change with each step. */
function yOf(loss: number, losses: readonly number[]): number {
  const highest = Math.max(0.8, ...losses);
  return PLOT.y + PLOT.height * (1 - loss / highest);
}

function axes(steps: number, losses: readonly number[]): Mark[] {
  const quiet = { class: 'small', color: 'quiet' } as const;
  const highest = Math.max(0.8, ...losses);
  const levels = highest > 0.8 ? [0, highest / 2, highest] : [0, 0.2, 0.4, 0.6, 0.8];
  const bottom = PLOT.y + PLOT.height;
  return [
    ...levels.flatMap((level) => [
      line([[PLOT.x, yOf(level, losses)], [PLOT.x + PLOT.width, yOf(level, losses)]], {
        class: 'thin',
      }),
      text(PLOT.x - 8, yOf(level, losses), number(level, 2), { ...quiet, anchor: 'end' }),
    ]),
    ...[0, steps].map((step, i) => text(i === 0 ? PLOT.x : PLOT.x + PLOT.width, bottom + 16,
      i === 0 ? 'step 0' : String(step), { ...quiet, anchor: i === 0 ? 'start' : 'end' })),
  ];
}

/** The plane after a step: cells in the colour of the class that the network says, and points. */
function panel({ step, beliefs }: Moment, x: number): Mark[] {
  const place = { x, y: PANEL_TOP, width: PANEL_WIDTH, height: PANEL_HEIGHT };
  const dots = [0, 1].map((label) => dotsOf(place, label));
  return [
    text(x, PANEL_TOP - 12, `after ${step} steps`, { class: 'small', color: 'quiet' }),
    ...beliefs.flatMap((row, i) => rowOf(place, row, i)), ...dots,
    box(place, { outline: 'line', class: 'thin' }),
  ];
}

/** How many shades a class has. */
const SHADES = 6;

/** A row of cells; neighbours of one shade are one rectangle. */
function rowOf(place: Box, row: readonly number[], i: number): Mark[] {
  const [wide, high] = [place.width / COLUMNS, place.height / ROWS];
  const levels = row.map((value) => Math.round(value * SHADES));
  const starts = levels.flatMap((level, j) => level === levels[j - 1] ? [] : [j]);
  return starts.flatMap((start, k) => {
    const [level, end] = [levels[start], starts[k + 1] ?? COLUMNS];
    if (level === 0) return [];
    const cell = { x: place.x + start * wide, y: place.y + i * high, height: high };
    // Pale, as there are points on it.
    return [box({ ...cell, width: (end - start) * wide }, {
      fill: level > 0 ? 'c0' : 'c1', opacity: Math.abs(level) / SHADES / 3,
    })];
  });
}

/** The points of a class: lines of no length, whose round ends make them dots. */
function dotsOf(place: Box, label: number): Mark {
  const color: Color = label === 0 ? 'c0' : 'c1';
  const dots = Array.from(data.labels.data).flatMap((own, i) => {
    const [x, y] = data.points.data.subarray(2 * i, 2 * i + 2);
    const at = `${shorten(place.x + place.width * (x - LEFT) / (RIGHT - LEFT))} ` +
      `${shorten(place.y + place.height * (y - TOP) / (BOTTOM - TOP))}`;
    return own === label ? [`M${at}L${at}`] : [];
  });
  return element('path', { d: dots.join(''), class: `s s-${color} thick` });
}
