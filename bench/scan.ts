/**
 * The algorithms of the scans over lengths, channels and threads: `npm run bench scan [-- --long]`.
 * On one thread the sequential one does the least work; the others pay for a shorter longest path.
 */
import { type SelectiveScanAlgorithm, selectiveScan } from '@mambagrad/mamba';
import {
  associativeScan, compile, linearScan, type ScanAlgorithm, type Tensor, uniform,
} from '@mambagrad/tensor';
import { type Call, onThreads, threadNames } from './support/ways.ts';
import { scanBackward, scanForward, scanInputs } from './support/models.ts';
import { isProgram, type Plan, type PlannedRow, runSuites, type Suite } from './support/suite.ts';

const linear: readonly ScanAlgorithm[] = ['sequential', 'blelloch', 'hillisSteele', 'chunked'];
const selective: readonly SelectiveScanAlgorithm[] = ['fused', 'segmented', ...linear];

export const STATE = 16;

/** The most elements of an array: 64 MiB. */
const MOST = 2 ** 24;

/** Factors and summands of a linear scan; compiled, as they may be many. */
const linearInputs = (length: number, channels: number): readonly [Tensor, Tensor] => {
  const shape = [length, channels];
  const { a, b } = compile(() => ({ a: uniform(shape, -1, 1), b: uniform(shape, -1, 1) }))();
  return [a, b];
};

/** The same scan made of tensor ops: pairs (a, b) that compose. */
const associative = (algorithm: 'blelloch' | 'hillisSteele') => (a: Tensor, b: Tensor): Tensor =>
  associativeScan(
    ([a1, b1], [a2, b2]) => [a1.mul(a2), a2.mul(b1).add(b2)], [a, b], { algorithm },
  )[1];

interface Size {
  readonly name: string;
  readonly length: number;
  readonly channels: number;
}

/** A row of each size: its elements, and the calls that its inputs are given to. */
function* rowsOf<Inputs>(
  sizes: readonly Size[],
  state: number,
  inputsOf: (length: number, channels: number) => Inputs,
  calls: (inputs: Inputs, count: number) => (Call | undefined)[],
): Iterable<PlannedRow> {
  for (const { length, channels, name } of sizes) {
    const count = length * channels * state;
    yield { name, count, calls: calls(inputsOf(length, channels), count) };
  }
}

/** The tables of the linear scan and of the selective one, each eager and compiled. */
function* over(what: string, sizes: readonly Size[]): Iterable<Plan> {
  const others = { quantity: 'time of each', isGrowing: true } as const;
  yield {
    title: `linearScan of f32[${what}], eager; time of each element`,
    columns: linear,
    rows: rowsOf(sizes, 1, linearInputs, ([a, b]) =>
      linear.map((algorithm) => () => linearScan(a, b, { algorithm })),
    ),
    ...others,
  };
  yield {
    title: `linearScan (sequential) and associativeScan of f32[${what}]; time of each element`,
    columns: [
      'linearScan, compiled', 'blelloch', 'blelloch, compiled', 'hillisSteele',
      'hillisSteele, compiled',
    ],
    rows: rowsOf(sizes, 1, linearInputs, ([a, b]) => {
      const [up, doubling] = [associative('blelloch'), associative('hillisSteele')];
      const sequential = compile((a: Tensor, b: Tensor) => linearScan(a, b));
      return [sequential, up, compile(up), doubling, compile(doubling)].map(
        (scan) => () => scan(a, b),
      );
    }),
    ...others,
  };
  const inputsOf = (length: number, channels: number) => scanInputs(1, length, channels, STATE);
  for (const how of ['eager', 'compiled'] as const) {
    yield {
      title: `selectiveScan of f32[1, ${what}], state ${STATE}, ${how}; time of each state element`,
      columns: selective,
      rows: rowsOf(sizes, STATE, inputsOf, (inputs, count) =>
        selective.map((algorithm) => {
          const scan = (...all: typeof inputs) => selectiveScan(...all, { algorithm }).y;
          const run = how === 'eager' ? scan : compile(scan);
          // All but these two store every state.
          return /fused|segmented/.test(algorithm) || count <= MOST ? () => run(...inputs)
            : undefined;
        }),
      ),
      ...others,
      // The longest is what the fused scan is for.
      limit: how === 'eager' ? undefined : 800,
    };
  }
}

/** The same selective scan by each number of threads: of one sequence of few channels, and more. */
export function* scanRows(): Iterable<PlannedRow> {
  for (const [batch, length, channels] of [[1, 4096, 32], [8, 256, 128]]) {
    const inputs = scanInputs(batch, length, channels, STATE);
    for (const input of inputs) input.requiresGrad = true;
    const count = batch * length * channels * STATE;
    for (const [way, f] of [['forward', scanForward], ['with gradients', scanBackward]] as const) {
      const name = `[${batch}, ${length}, ${channels}], ${way}`;
      yield { name, count, calls: onThreads(f, ...inputs) };
    }
  }
}

export const scan: Suite = {
  name: 'scan',
  *plans(isLong) {
    const [lengthStep, channelStep] = isLong ? [2, 1] : [4, 3];
    const powers = (from: number, to: number, step: number): number[] =>
      Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => 2 ** (from + i * step));
    yield* over('length, 16', powers(4, 20, lengthStep).map((length) => (
      { length, channels: 16, name: `length ${length}` }
    )));
    yield* over('1024, channels', powers(0, 9, channelStep).map((channels) => (
      { length: 1024, channels, name: `channels ${channels}` }
    )));
    yield {
      title: `selectiveScan of f32[batch, length, channels], state ${STATE}, compiled; ` +
        'time of each state element',
      quantity: 'time of each',
      columns: threadNames,
      rows: scanRows(),
    };
  },
};

if (isProgram(import.meta.url)) await runSuites(scan);
