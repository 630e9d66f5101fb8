/**
 * A run of training that is killed and resumed, over its steps: on top the loss of each step and
 * of each validation, and below what each of the two processes did and saved.
 */
import {
  arrow, type Box, box, circle, type Color, line, type Mark, number, picture, type Point, text,
  WIDTH,
} from './kit.ts';
import { type Process, type ReportedStep, type Run, run, STEPS } from './trainingRun.ts';

/** Where the run is killed, and how often it saves. */
export interface RunTimelineOptions {
  /** The run is killed after this step, before the step can be saved. Default 27. */
  readonly killedAt?: number;
  /** The number of steps from one checkpoint to the next. Default 10. */
  readonly checkpointEvery?: number;
}

const [LEFT, RIGHT] = [46, 14];
const PLOT: Box = { x: LEFT, y: 68, width: WIDTH - LEFT - RIGHT, height: 130 };
const STEP = PLOT.width / STEPS;
/** The tops of the bars of the processes, and their height. */
const [BARS, BAR] = [[270, 334], 20];
/** The middle of the last line, which explains the signs. */
const KEY = 414;

const quiet = { class: 'small', color: 'quiet' } as const;

/** The end of a step on the axis; 0 is where the first begins. */
const after = (step: number): number => PLOT.x + step * STEP;
const inside = (step: number): number => after(step - 0.5);

/** Draws a run that is killed and resumed. */
export async function draw(options: RunTimelineOptions = {}): Promise<string> {
  const { killedAt = 27, checkpointEvery = 10 } = options;
  const done = await run({ killedAt, checkpointEvery });
  const [first, second] = done.processes;
  const last = first.steps.length;
  const again = last - second.from;
  const resumed = second.from > 0 ? `resumed from ${second.from}` : 'begun anew';
  const title = `${STEPS} steps, killed after ${last}, ${resumed}`;
  const { step, value } = done.best;
  return picture({
    height: KEY + 22,
    title,
    description: `Steps done again by the second process: ${again}. The best validation ` +
      `follows step ${step}, with a loss of ${number(value)}. Checkpoints after the steps ` +
      [...first.saved, ...second.saved].join(', '),
  }, [
    text(14, 20, title, { class: 'bold' }),
    ...losses(done), ...bars(done, again), ...axis(),
  ]);
}

/** The steps of the whole run, each once. */
const stepsOf = ({ processes: [first, second] }: Run): ReportedStep[] =>
  [...first.steps.slice(0, second.from), ...second.steps];

/** The curves of the loss, and a ring around the best validation. */
function losses(done: Run): Mark[] {
  const steps = stepsOf(done);
  const validated = steps.flatMap(({ step, validation }): [number, number][] =>
    validation === undefined ? [] : [[step, validation.loss]]);
  const highest = Math.max(...steps.map(({ metrics }) => metrics.loss),
    ...validated.map(([, loss]) => loss));
  const at = (loss: number): number => PLOT.y + PLOT.height * (1 - loss / highest);
  const points = validated.map(([step, loss]): Point => [inside(step), at(loss)]);
  const { step, value } = done.best;
  return [
    ...swatch(14, 46, 'c0', 'loss of the step'), ...swatch(158, 46, 'c1', 'of a validation'),
    circle(296, 46, 6, { outline: 'c2' }), text(308, 46, 'the best model', { class: 'small' }),
    ...[0, highest / 2, highest].flatMap((level) => [
      line([[PLOT.x, at(level)], [PLOT.x + PLOT.width, at(level)]], { class: 'thin' }),
      text(PLOT.x - 8, at(level), number(level, 2), { ...quiet, anchor: 'end' }),
    ]),
    line(steps.map(({ step: each, metrics }): Point => [inside(each), at(metrics.loss)]), {
      color: 'c0', class: 'thick',
    }),
    line(points, { color: 'c1' }),
    ...points.map(([x, y]) => circle(x, y, 3, { fill: 'c1', isPale: false })),
    circle(inside(step), at(value), 7, { outline: 'c2' }),
    line([[inside(step), at(value) + 7], [inside(step), PLOT.y + PLOT.height]], {
      color: 'c2', class: 'thin dashed',
    }),
  ];
}

/** A small box in a colour, and what it stands for. */
function swatch(x: number, y: number, color: Color, words: string): Mark[] {
  return [
    box({ x, y: y - 6, width: 12, height: 12 }, { outline: color, fill: color, class: 'thin' }),
    text(x + 18, y, words, { class: 'small' }),
  ];
}

/** A bar for each process: a cell for each step, and below it the checkpoints. */
function bars({ processes: [first, second] }: Run, again: number): Mark[] {
  const last = first.steps.length;
  const [one, two] = BARS;
  const lost = (step: number): Color => step > second.from ? 'line' : 'c0';
  const repeated = (step: number): Color => step <= last ? 'c3' : 'c0';
  const from = after(second.from);
  const words = again === 0 ? 'no step is done again'
    : `${again} ${again === 1 ? 'step is' : 'steps are'} done again`;
  return [
    text(PLOT.x, one - 14, 'first process', { class: 'small' }),
    text(PLOT.x, two + BAR + 26, `second process: ${words}`, { class: 'small' }),
    ...cells(first, one, lost), ...cells(second, two, repeated),
    ...cross(after(last) + 9, one + BAR / 2),
    // From the checkpoint to where the second process begins.
    second.from === 0 ? '' : arrow([[from, one + BAR + 14], [from, two - 2]], { color: 'c4' }),
    ...swatch(14, KEY, 'c3', 'done again'), ...swatch(122, KEY, 'line', 'lost'),
    ...cross(200, KEY), text(212, KEY, 'killed', { class: 'small' }),
    ...diamond(286, KEY), text(298, KEY, 'checkpoint', { class: 'small' }),
  ];
}

/** A cell for each step of a process, and a sign below each step that was saved. */
function cells({ steps, saved }: Process, y: number, colorOf: (step: number) => Color): Mark[] {
  return [
    ...steps.map(({ step }) => {
      const color = colorOf(step);
      return box({ x: after(step - 1) + 0.6, y, width: STEP - 1.2, height: BAR }, {
        outline: color, fill: color, class: 'thin',
      });
    }),
    ...saved.flatMap((step) => diamond(after(step), y + BAR + 8)),
  ];
}

/** The sign of a checkpoint. */
function diamond(x: number, y: number): Mark[] {
  const corners: readonly Point[] = [
    [x, y - 5], [x + 5, y], [x, y + 5], [x - 5, y], [x, y - 5], [x + 5, y],
  ];
  return [line(corners, { color: 'c4' })];
}

/** The sign of the end by force. */
function cross(x: number, y: number): Mark[] {
  const bar = (up: number): Mark => line([[x - 5, y - up], [x + 5, y + up]], {
    color: 'c1', class: 'thick',
  });
  return [bar(5), bar(-5)];
}

/** The steps, between the losses and the processes. */
function axis(): Mark[] {
  const ticks = [1, 12, 24, 36, STEPS];
  return ticks.map((step) => text(inside(step), PLOT.y + PLOT.height + 16,
    step === 1 ? 'step 1' : String(step), { ...quiet, anchor: 'middle' }));
}
