/**
 * The selective scan forwards, as one kernel that keeps all states in the nearest cache (Gu and
 * Dao, "Mamba" (2023), section 3.3: a scan that knows its hardware):
 *
 *     for each sequence, for each step, for each 8 channels, for each state n
 *       h[n] = exp(Δ A[n]) h[n] + Δ u B[n],   y += h[n] C[n]
 *
 * The state at the start of each chunk of 32 steps is kept, for the way back.
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor/extend';
import {
  blocksOf, CHUNK, forChannels, forParts, forStatesOf, type Grid, grid, type Part, registers,
  type Sizes,
} from '../vectors.ts';
import {
  advance, type Chunk, chunkOf, elementAt, outputAt, scaleA, type Scan, scanOf, sharedAt,
  stateRegisters, type Step,
} from './step.ts';

/**
 * From [u, Δ, A, B, C, the first state, flags of steps that start anew (or none)]: [y, the last
 * state, the state at the start of each chunk].
 */
export function forwardKernel(
  inputs: readonly Elements[], outputs: readonly k.Buffer[], sizes: Sizes,
): k.Statements {
  const scan = forwardOf(inputs, outputs, sizes);
  const { h, initialState, outputs: { lastState } } = scan;
  return forParts(sizes, (part) => [
    scaleA(scan, part),
    h.setAll((n, d) => initialState.at([part.b, d, n]), part.range),
    k.loop('c', sizes.chunks, (c) => runChunk(scan, chunkOf(sizes, part, c))),
    h.writeTo(lastState, k.times(part.b, sizes.width), part.range),
  ]);
}

/** The plan of the forward kernel. */
interface Forward extends Scan {
  readonly initialState: Elements;
  readonly outputs: Readonly<Record<'y' | 'lastState' | 'starts', k.Buffer>>;
  /** The states. */
  readonly h: Grid;
  readonly near: Near | undefined;
}

/**
 * Copies of the rows of a chunk. A block of channels is a piece of each row, far from that of the
 * next: pieces of u and Δ are brought side by side, chunk by chunk, and so are those of y.
 */
interface Near {
  readonly u: k.Buffer;
  readonly delta: k.Buffer;
  readonly y: k.Buffer;
  /** Where a number of the t-th step is. */
  at(t: k.Operand, d: k.Operand, { range }: Part): k.Operand;
}

/** The plan, given the inputs of the kernel in their order. */
function forwardOf(
  [u, delta, A, B, C, initialState, reset]: readonly Elements[],
  [y, lastState, starts]: readonly k.Buffer[], sizes: Sizes,
): Forward {
  const scan = scanOf({ u, delta, A, B, C, reset }, sizes);
  const outputs = { y, lastState, starts };
  return { ...scan, initialState, outputs, h: grid('h', sizes), near: nearOf(sizes) };
}

/** These copies, if channels are cut into blocks. */
function nearOf(sizes: Sizes): Near | undefined {
  const { count, size } = blocksOf(sizes);
  if (count === 1) return undefined;
  const [u, delta, y] = ['u', 'D', 'y'].map((name) => k.scratch(name, 'f32', CHUNK * size));
  const at: Near['at'] = (t, d, { range }) =>
    k.plus(k.times(t, size), k.minus(d, range.from));
  return { u, delta, y, at };
}

/** All steps of a chunk. */
function runChunk(scan: Forward, chunk: Chunk): k.Statements {
  return [
    storeStart(scan, chunk),
    scan.near ? bringNear(scan, scan.near, chunk) : [],
    k.loop('t', chunk.count, (t) =>
      forChannels(chunk, scan.sizes, (channels) => runStep(scan, chunk, t, channels)),
    ),
    scan.near ? bringBack(scan, scan.near, chunk) : [],
  ];
}

/** Stores the states at the start of a chunk. */
function storeStart(
  { sizes: { chunks, state, channels }, outputs: { starts }, h }: Forward, { b, c, range }: Chunk,
): k.Statements {
  return k.loop('n', state, (n) =>
    k.vectorized('d', range, (d) =>
      k.store(starts, k.rowMajor([b, c, n, d], [chunks, state, channels]), h.at(n, d)),
    ),
  );
}

/** Copies the rows of u and Δ of a chunk. */
function bringNear({ inputs: { u, delta } }: Forward, near: Near, chunk: Chunk): k.Statements {
  return forElements(chunk, (t, d) => {
    const at = near.at(t, d, chunk);
    return [
      k.store(near.u, at, elementAt(u, chunk, t, d)),
      k.store(near.delta, at, elementAt(delta, chunk, t, d)),
    ];
  });
}

/** Copies the rows of y of a chunk to where they belong. */
function bringBack({ sizes, outputs }: Forward, near: Near, chunk: Chunk): k.Statements {
  return forElements(chunk, (t, d) =>
    k.store(outputs.y, outputAt(sizes, chunk, t, d), k.load(near.y, near.at(t, d, chunk))),
  );
}

/** Calls the body for all elements of a chunk, channels in lanes. */
function forElements(
  { count, range }: Chunk, body: (t: k.Expr, d: k.Expr) => k.Statements,
): k.Statements {
  return k.loop('t', count, (t) => k.vectorized('d', range, (d) => body(t, d)));
}

/** The t-th step of a chunk, for some vectors of channels. */
function runStep(
  scan: Forward, chunk: Chunk, t: k.Expr, channels: readonly k.Expr[],
): k.Statements {
  const { sizes, outputs, near, inputs } = scan;
  const [dt, dtU, y] = registers(['D', 'x', 'y'], channels);
  const step = { chunk, t, channels, dt, dtU };
  const input = (of: 'u' | 'delta', d: k.Expr): k.Expr =>
    near
      ? k.load(near[of], near.at(t, d, chunk))
      : elementAt(inputs[of], chunk, t, d);
  return [
    channels.map((d, i) => [
      k.set(dt[i], input('delta', d)),
      k.set(dtU[i], k.mul(dt[i], input('u', d))),
      k.set(y[i], 0),
    ]),
    advanceStates(scan, step, y),
    channels.map((d, i) =>
      near
        ? k.store(near.y, near.at(t, d, chunk), y[i])
        : k.store(outputs.y, outputAt(sizes, chunk, t, d), y[i]),
    ),
  ];
}

/** Sets all states to the next ones, and adds what is read from them to y. */
function advanceStates(scan: Forward, step: Step, y: readonly k.Variable[]): k.Statements {
  const { inputs: { C }, sizes, limits, h } = scan;
  const { chunk, t, channels, dt } = step;
  return forStatesOf(dt, limits, sizes.state, channels, (isSmall, cells) => {
    const [decays, next] = stateRegisters(cells);
    return [
      advance(scan, step, cells, isSmall, [decays, next], ({ n, d }) => h.at(n, d)),
      cells.map(({ n, d }, j) => h.set(n, d, next[j])),
      cells.map(({ n, i }, j) =>
        k.set(y[i], k.mulAdd(next[j], sharedAt(sizes, C, chunk, t, n), y[i])),
      ),
    ];
  });
}
