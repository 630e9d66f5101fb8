/**
 * The selective scan backwards, as one kernel. Chunk by chunk from the last, states and decays are
 * computed again from the state at the chunk's start and kept for the chunk only; then they are
 * used in reverse. No decay is computed twice.
 *
 *     for each sequence, for each chunk, for each 8 channels:
 *       forwards through the chunk, then backwards
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor/extend';
import {
  blocksOf, CHUNK, forChannels, forParts, forStates, forStatesOf, type Grid, grid, type Part,
  registers, type Sizes, TINY,
} from '../vectors.ts';
import {
  advance, type Chunk, chunkOf, elementAt, outputAt, rowOf, type Scan, scaleA, scanOf, sharedAt,
  stateRegisters, type Step, unlessReset,
} from './step.ts';
import {
  channelSums, type ChannelSums, type Partials, partialsOf, reducePartials, type Trace, traceOf,
} from './storage.ts';

/**
 * From the gradients of [y, the last state, the states at the starts of chunks (or none)], and from
 * [u, Δ, A, B, C, the first state, the states at the starts of chunks, flags of steps that start
 * anew (or none)]: the gradients of [u, Δ, A, B, C, the first state].
 */
export function backwardKernel(
  cotangents: readonly Elements[], inputs: readonly Elements[], outputs: readonly k.Buffer[],
  sizes: Sizes,
): k.Statements {
  const scan = backwardOf(cotangents, inputs, outputs, sizes);
  const last = sizes.chunks - 1;
  return [
    forParts(sizes, (part) => [
      scaleA(scan, part),
      startGradients(scan, part),
      k.loop('c', sizes.chunks, (c) => runChunk(scan, chunkOf(sizes, part, k.sub(last, c)))),
      storeGradients(scan, part),
    ]),
    [scan.ofA, scan.ofB, scan.ofC].map(reducePartials),
  ];
}

/** The plan of the backward kernel. */
interface Backward extends Scan {
  /** The gradients of y, of the last state, and of the states at the starts of chunks. */
  readonly g: Elements;
  readonly ofLastState: Elements;
  readonly ofStarts: Elements | undefined;
  /** The states at the starts of chunks. */
  readonly starts: Elements;
  /** The gradient that a step passes on to the state before it. */
  readonly carry: Grid;
  /** The gradient of A, summed over the steps so far. */
  readonly dA: Grid;
  /** The decay of each step of a chunk, and the states before each step and after the last. */
  readonly decays: Trace;
  readonly states: Trace;
  /** The gradients of B and C in a chunk. */
  readonly dB: ChannelSums;
  readonly dC: ChannelSums;
  /** The gradients of u, Δ and the first state. */
  readonly outputs: Readonly<Record<'du' | 'dDelta' | 'dState', k.Buffer>>;
  /** Where the gradients of A, one for each sequence, and B and C, one for each block, are left. */
  readonly ofA: Partials;
  readonly ofB: Partials;
  readonly ofC: Partials;
}

/** The plan, given the inputs of the kernel and its outputs in their order. */
function backwardOf(
  [g, ofLastState, ofStarts]: readonly Elements[],
  [u, delta, A, B, C, , starts, reset]: readonly Elements[],
  [du, dDelta, dA, dB, dC, dState]: readonly k.Buffer[], sizes: Sizes,
): Backward {
  const { batch, state } = sizes;
  const blocks = blocksOf(sizes).count;
  return {
    ...scanOf({ u, delta, A, B, C, reset }, sizes),
    g,
    ofLastState,
    ofStarts,
    starts,
    carry: grid('carry', sizes),
    dA: grid('dA', sizes),
    decays: traceOf('decays', CHUNK, state),
    states: traceOf('states', CHUNK + 1, state),
    dB: channelSums('dB', state),
    dC: channelSums('dC', state),
    outputs: { du, dDelta, dState },
    ofA: partialsOf('dA', batch, dA),
    ofB: partialsOf('dB', blocks, dB),
    ofC: partialsOf('dC', blocks, dC),
  };
}

/** Before the last chunk: the gradient of the last state is given, that of A is 0. */
function startGradients({ ofLastState, carry, dA }: Backward, { b, range }: Part): k.Statements {
  return [
    dA.setAll(() => 0, range),
    carry.setAll((n, d) => ofLastState.at([b, d, n]), range),
  ];
}

/** After the first chunk: stores the gradients of the first state and of A. */
function storeGradients(scan: Backward, { b, range }: Part): k.Statements {
  const { outputs: { dState }, sizes, carry, dA, ofA } = scan;
  return [
    carry.writeTo(dState, k.times(b, sizes.width), range),
    dA.writeTo(ofA.buffer, ofA.startOf(b), range),
  ];
}

/** Through a chunk: forwards, and then backwards. */
function runChunk(scan: Backward, chunk: Chunk): k.Statements {
  const { sizes, ofStarts, carry, dB, dC, ofB, ofC } = scan;
  const { b, c, range } = chunk;
  return [
    [dB, dC].map((sums) => sums.clear()),
    forChannels(chunk, sizes, (channels) => [
      recomputeChunk(scan, chunk, channels),
      backpropagateChunk(scan, chunk, channels),
    ]),
    ofStarts
      ? carry.setAll((n, d) => k.add(carry.at(n, d), ofStarts.at([b, c, n, d])), range)
      : [],
    storeSums(scan, chunk, dB, ofB),
    storeSums(scan, chunk, dC, ofC),
  ];
}

/** Forwards through a chunk: keeps decays and states, and sums up C's gradient. */
function recomputeChunk(
  scan: Backward, chunk: Chunk, channels: readonly k.Expr[],
): k.Statements {
  const { sizes, starts, states } = scan;
  return [
    forStates(sizes.state, channels, (cells) =>
      cells.map((cell) => states.set(0, cell, starts.at([chunk.b, chunk.c, cell.n, cell.d]))),
    ),
    k.loop('t', chunk.count, (t) => recomputeStep(scan, chunk, t, channels)),
  ];
}

/** A step forwards, as in the forward pass, with all it sets kept. */
function recomputeStep(
  scan: Backward, chunk: Chunk, t: k.Expr, channels: readonly k.Expr[],
): k.Statements {
  const { inputs: { u, delta }, sizes, limits, g, decays, states, dC } = scan;
  const [dt, dtU, dy] = registers(['D', 'x', 'g'], channels);
  const step = { chunk, t, channels, dt, dtU };
  return [
    channels.map((d, i) => [
      k.set(dt[i], elementAt(delta, chunk, t, d)),
      k.set(dtU[i], k.mul(dt[i], elementAt(u, chunk, t, d))),
      k.set(dy[i], elementAt(g, chunk, t, d)),
    ]),
    forStatesOf(dt, limits, sizes.state, channels, (isSmall, cells, ns) => {
      const [decay, next] = stateRegisters(cells);
      return [
        advance(scan, step, cells, isSmall, [decay, next], (cell) => states.at(t, cell)),
        cells.map((cell, j) => [
          decays.set(t, cell, decay[j]),
          states.set(k.plus(t, 1), cell, next[j]),
        ]),
        ns.map((n, s) => dC.add(t, n, ofState(next, channels, s), dy)),
      ];
    }),
  ];
}

/** Backwards through a chunk, from its last step. */
function backpropagateChunk(
  scan: Backward, chunk: Chunk, channels: readonly k.Expr[],
): k.Statements {
  // From `count` − 1 down to 0. A short chunk begins later, so that t is a constant minus r.
  return k.loop('r', { from: k.minus(CHUNK, chunk.count), to: CHUNK }, (r) =>
    backpropagateStep(scan, chunk, k.sub(CHUNK - 1, r), channels),
  );
}

/** A step with the registers of its gradients. */
interface BackwardStep extends Step {
  readonly dy: readonly k.Variable[];
  /** The gradient of Δ u, and that of Δ through the decays, times log₂e. */
  readonly throughInput: readonly k.Variable[];
  readonly throughDecay: readonly k.Variable[];
}

/** A step backwards: the gradients of its u and Δ. */
function backpropagateStep(
  scan: Backward, chunk: Chunk, t: k.Expr, channels: readonly k.Expr[],
): k.Statements {
  const { inputs, sizes, outputs: { du, dDelta }, g } = scan;
  const names = ['D', 'u', 'x', 'g', 's', 'q'];
  const [dt, u, dtU, dy, throughInput, throughDecay] = registers(names, channels);
  const step = { chunk, t, channels, dt, dtU, dy, throughInput, throughDecay };
  return [
    channels.map((d, i) => [
      k.set(dt[i], elementAt(inputs.delta, chunk, t, d)),
      k.set(u[i], elementAt(inputs.u, chunk, t, d)),
      k.set(dtU[i], k.mul(dt[i], u[i])),
      k.set(dy[i], elementAt(g, chunk, t, d)),
      k.set(throughInput[i], 0),
      k.set(throughDecay[i], 0),
    ]),
    backpropagateStates(scan, step),
    channels.map((d, i) => {
      const at = outputAt(sizes, chunk, t, d);
      // A was multiplied by log₂e.
      const ofDelta = k.mulAdd(throughDecay[i], Math.LN2, k.mul(u[i], throughInput[i]));
      return [
        k.store(du, at, k.mul(dt[i], throughInput[i])),
        k.store(dDelta, at, ofDelta),
      ];
    }),
  ];
}

/**
 * Backwards through the states of a step. G is the whole gradient of a state: from y, and from the
 * step after it. `passed` is the part of it that goes on to the state before, through the decay.
 */
function backpropagateStates(scan: Backward, step: BackwardStep): k.Statements {
  const { inputs: { B, C }, sizes, scaledA, carry, dA, decays, states, dB } = scan;
  const { chunk, t, channels, dt, dtU, dy, throughInput, throughDecay } = step;
  return forStates(sizes.state, channels, (cells, ns) => {
    const [G, passed, through] = registers(['G', 'p', 'q'], cells.map(({ d }) => d));
    return [
      cells.map((cell, j) => {
        const { n, d, i } = cell;
        const toBefore = k.mul(G[j], decays.at(t, cell));
        const toDecay = k.mul(passed[j], states.at(t, cell));
        return [
          k.set(G[j], k.mulAdd(dy[i], sharedAt(sizes, C, chunk, t, n), carry.at(n, d))),
          k.set(throughInput[i],
            k.mulAdd(G[j], sharedAt(sizes, B, chunk, t, n), throughInput[i])),
          k.set(passed[j], unlessReset(scan, step, 0, toBefore)),
          carry.set(n, d, k.add(passed[j], TINY)),
          k.set(through[j], unlessReset(scan, step, 0, toDecay)),
          k.set(throughDecay[i], k.mulAdd(through[j], scaledA.at(n, d), throughDecay[i])),
          dA.set(n, d, k.mulAdd(through[j], dt[i], dA.at(n, d))),
        ];
      }),
      ns.map((n, s) => dB.add(t, n, ofState(G, channels, s), dtU)),
    ];
  });
}

/** The registers of the s-th state, of a list with one for each vector of channels of each. */
function ofState(
  list: readonly k.Variable[], channels: readonly k.Expr[], s: number,
): k.Variable[] {
  return list.slice(s * channels.length, (s + 1) * channels.length);
}

/** Stores the gradient of B or C, as far as it comes from the channels of a chunk. */
function storeSums(
  { sizes }: Backward, chunk: Chunk, sums: ChannelSums, { buffer, startOf }: Partials,
): k.Statements {
  const { groups, state } = sizes;
  return k.loop('t', chunk.count, (t) =>
    k.loop('n', state, (n) => {
      const row = k.rowMajor([rowOf(sizes, chunk, t), chunk.group], [groups]);
      const place = k.plus(startOf(chunk.block), k.times(row, state));
      return k.store(buffer, k.plus(place, n), sums.total(t, n));
    }),
  );
}
