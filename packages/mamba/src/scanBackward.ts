/**
 * The selective scan backwards, as one kernel. Chunk by chunk from the last, states and decays are
 * computed again from the state at the chunk's start and kept for the chunk only; then they are
 * used in reverse. No decay is computed twice.
 *
 *     for each sequence, for each chunk, for each 8 channels:
 *       forwards through the chunk, then backwards
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor';
import {
  blocksOf, type Cell, CHUNK, forChannels, forSequences, forStates, forStatesOf, grid, isVector,
  neighbours, plus, registers, setDecays, setLimits, type Sizes, times, TINY,
  unlessReset,
} from './scanPieces.ts';

/**
 * From [the gradient of what the forward kernel gives, u, Δ, A, B, C, the first state, the states
 * at the starts of chunks, flags of steps that start anew (or none)]: the gradients of u, Δ, A, B,
 * C and the first state, one behind the other.
 */
export function backwardKernel(
  inputs: readonly Elements[], to: k.Buffer, sizes: Sizes,
): k.Statements {
  const [g, u, delta, A, B, C, , starts, reset] = inputs;
  const { batch, length, channels, state, width, chunks, lastAt } = sizes;
  const ofSteps = batch * length * state;
  const gradientSizes = [lastAt, lastAt, width, ofSteps, ofSteps];
  const [duAt, dDeltaAt, dAAt, dBAt, dCAt, dStateAt] = gradientSizes.reduce<number[]>(
    (ends, size) => [...ends, ends[ends.length - 1] + size],
    [0],
  );
  // What rounds add up to is left in parts: of A's gradient one for each sequence, of those of B
  // and C one for each block of channels.
  const blocks = blocksOf(sizes).count;
  const partsA = batch !== 1 ? k.scratch('dA', 'f32', batch * width) : to;
  const [partsB, partsC] = ['dB', 'dC'].map((name) =>
    blocks > 1 ? k.scratch(name, 'f32', blocks * ofSteps) : to,
  );
  const [scaledA, carry, dA] = ['A', 'carry', 'dA'].map((name) => grid(name, sizes));
  const limits = k.scratch('limits', 'f32', channels);
  // Of 8 channels: the decay of each step, and the states before each step and after the last.
  const [decays, states] = ['decays', 'states'].map((name, more) =>
    k.scratch(name, 'f32', (CHUNK + more) * state * 8),
  );
  const kept = (t: k.Operand, { n, d, i }: Cell): k.Operand => {
    const place = plus(times(plus(times(t, state), n), 8), 4 * i);
    return isVector(d) ? neighbours(place) : place;
  };
  // Sums over channels, in lanes; behind them, those of single channels.
  const [sumsB, sumsC] = ['dB', 'dC'].map((name) => k.scratch(name, 'f32', CHUNK * state * 5));
  const singlesAt = CHUNK * state * 4;
  /** Adds products of registers to the sum for a step and a state. */
  const addTo = (
    sums: k.Buffer,
    [t, n]: readonly [k.Operand, k.Operand],
    a: readonly k.Variable[],
    b: readonly k.Variable[],
  ): k.Statements => {
    const place = plus(times(t, state), n);
    const at = a[0].type === 'f32x4' ? neighbours(times(place, 4)) : plus(place, singlesAt);
    const sum = a.reduce<k.Value>((total, x, i) => k.mulAdd(x, b[i], total), k.load(sums, at));
    return k.store(sums, at, sum);
  };
  const ofState = <T>(list: readonly T[], all: readonly k.Value[], s: number): T[] =>
    list.slice(s * all.length, (s + 1) * all.length);

  const chunk = (
    b: k.Value, c: k.Operand, count: number, some: k.Stretch, block: k.Operand,
  ): k.Statements => {
    const timeOf = (t: k.Operand): k.Operand => plus(times(c, CHUNK), t);
    const rowOf = (t: k.Operand): k.Operand => plus(times(b, length), timeOf(t));
    const outputOf = (t: k.Operand, d: k.Operand): k.Operand => plus(times(rowOf(t), channels), d);
    const start = times(plus(times(b, chunks), c), width);
    const at = (of: Elements, t: k.Operand, last: k.Operand): k.Value =>
      of.at([b, timeOf(t), last]);
    const resetAt = (t: k.Operand): k.Value | undefined => reset?.at([b, timeOf(t)]);

    /** Forwards through the chunk: decays and states are kept, and C's gradient is summed. */
    const again = (all: readonly k.Value[]): k.Statements => [
      forStates(state, all, (cells) =>
        cells.map((cell) => {
          const first = starts.at([plus(start, plus(times(cell.n, channels), cell.d))]);
          return k.store(states, kept(0, cell), first);
        }),
      ),
      k.loop('t', count, (t) => {
        const [durations, steps, outer] = registers(['D', 'x', 'g'], all);
        return [
          all.map((d, i) => [
            k.set(durations[i], at(delta, t, d)),
            k.set(steps[i], k.mul(durations[i], at(u, t, d))),
            k.set(outer[i], g.at([outputOf(t, d)])),
          ]),
          forStatesOf(durations, limits, state, all, (isSmall, cells, ns) => {
            const [decay, next] = registers(['a', 'h'], cells.map(({ d }) => d));
            const exponents = cells.map(({ n, d, i }) => k.mul(durations[i], scaledA.at(n, d)));
            return [
              setDecays(decay, exponents, isSmall),
              cells.map((cell, j) => {
                const taken = k.mulAdd(steps[cell.i], at(B, t, cell.n), TINY);
                const carried = k.mulAdd(decay[j], k.load(states, kept(t, cell)), taken);
                return k.set(next[j], unlessReset(resetAt(t), taken, carried));
              }),
              cells.map((cell, j) => [
                k.store(decays, kept(t, cell), decay[j]),
                k.store(states, kept(plus(t, 1), cell), next[j]),
              ]),
              ns.map((n, s) => addTo(sumsC, [t, n], ofState(next, all, s), outer)),
            ];
          }),
        ];
      }),
    ];
    /** Backwards: G is the whole gradient of the state, and `carry` what of it goes further. */
    const back = (all: readonly k.Value[]): k.Statements =>
      k.loop('r', count, (r) => {
        const t = k.sub(count - 1, r);
        const names = ['D', 'u', 'x', 'g', 's', 'q'];
        const [durations, inputsU, steps, outer, ...sums] = registers(names, all);
        const [throughInput, throughDecay] = sums;
        return [
          all.map((d, i) => [
            k.set(durations[i], at(delta, t, d)),
            k.set(inputsU[i], at(u, t, d)),
            k.set(steps[i], k.mul(durations[i], inputsU[i])),
            k.set(outer[i], g.at([outputOf(t, d)])),
            k.set(throughInput[i], 0),
            k.set(throughDecay[i], 0),
          ]),
          forStates(state, all, (cells, ns) => {
            const [G, passed, through] = registers(['G', 'p', 'q'], cells.map(({ d }) => d));
            return [
              cells.map((cell, j) => {
                const { n, d, i } = cell;
                return [
                  k.set(G[j], k.mulAdd(outer[i], at(C, t, n), carry.at(n, d))),
                  k.set(throughInput[i], k.mulAdd(G[j], at(B, t, n), throughInput[i])),
                  k.set(passed[j], unlessReset(
                    resetAt(t), 0, k.mul(G[j], k.load(decays, kept(t, cell))),
                  )),
                  carry.set(n, d, k.add(passed[j], TINY)),
                  k.set(through[j], unlessReset(
                    resetAt(t), 0, k.mul(passed[j], k.load(states, kept(t, cell))),
                  )),
                  k.set(throughDecay[i], k.mulAdd(through[j], scaledA.at(n, d), throughDecay[i])),
                  dA.set(n, d, k.mulAdd(through[j], durations[i], dA.at(n, d))),
                ];
              }),
              ns.map((n, s) => addTo(sumsB, [t, n], ofState(G, all, s), steps)),
            ];
          }),
          all.map((d, i) => {
            // A was multiplied by log₂e.
            const dDelta = k.mulAdd(throughDecay[i], Math.LN2, k.mul(inputsU[i], throughInput[i]));
            return [
              k.store(to, plus(duAt, outputOf(t, d)), k.mul(durations[i], throughInput[i])),
              k.store(to, plus(dDeltaAt, outputOf(t, d)), dDelta),
            ];
          }),
        ];
      });
    const summed = (sums: k.Buffer, parts: k.Buffer, at: number): k.Statements =>
      k.loop('t', count, (t) =>
        k.loop('n', state, (n) => {
          const place = plus(times(t, state), n);
          const lanes = k.reduceLanes(k.add, k.load(sums, neighbours(times(place, 4))));
          const total = k.add(lanes, k.load(sums, plus(place, singlesAt)));
          const from = parts === to ? at : times(block, ofSteps);
          return k.store(parts, plus(plus(from, times(rowOf(t), state)), n), total);
        }),
      );
    return [
      [sumsB, sumsC].map((sums) => k.lanes('i', sums.length, (i) => k.store(sums, i, 0))),
      forChannels(some, channels, (all) => [again(all), back(all)]),
      summed(sumsB, partsB, dBAt),
      summed(sumsC, partsC, dCAt),
    ];
  };
  const full = Math.floor(length / CHUNK);
  return [
    forSequences(sizes, (b, some, block) => [
      scaledA.setAll((n, d) => k.mul(A.at([d, n]), Math.LOG2E), some),
      setLimits(limits, scaledA, sizes, some),
      dA.setAll(() => 0, some),
      carry.setAll(
        (n, d) => g.at([plus(plus(lastAt, n), plus(times(b, width), times(d, state)))]), some,
      ),
      length > full * CHUNK ? chunk(b, full, length - full * CHUNK, some, block) : [],
      k.loop('c', full, (c) => chunk(b, k.sub(full - 1, c), CHUNK, some, block)),
      carry.writeTo(to, plus(dStateAt, times(b, width)), some),
      dA.writeTo(partsA, partsA === to ? dAAt : times(b, width), some),
    ]),
    partsA === to ? [] : k.addUp(partsA, [batch, width, width], k.sum, to, dAAt),
    partsB === to ? [] : k.addUp(partsB, [blocks, ofSteps, ofSteps], k.sum, to, dBAt),
    partsC === to ? [] : k.addUp(partsC, [blocks, ofSteps, ofSteps], k.sum, to, dCAt),
  ];
}
