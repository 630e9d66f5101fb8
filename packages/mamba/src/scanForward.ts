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
import type { Elements } from '@mambagrad/tensor';
import {
  blocksOf, CHUNK, forChannels, forSequences, forStatesOf, grid, plus, registers, setDecays,
  setLimits, type Sizes, times, TINY, toValue, unlessReset,
} from './scanPieces.ts';

/**
 * From [u, Δ, A, B, C, the first state, flags of steps that start anew (or none)]: y, the last
 * state and the state at the start of each chunk, one behind the other.
 */
export function forwardKernel(
  inputs: readonly Elements[], to: k.Buffer, sizes: Sizes,
): k.Statements {
  const [u, delta, A, B, C, initialState, reset] = inputs;
  const { length, channels, state, width, chunks, lastAt, startsAt } = sizes;
  const [scaledA, h] = [grid('A', sizes), grid('h', sizes)];
  const limits = k.scratch('limits', 'f32', channels);

  // A block of channels is a piece of each row, far from that of the next: pieces are brought side
  // by side, chunk by chunk, and so are results.
  const { count: blocks, size: room } = blocksOf(sizes);
  const [nearU, nearDelta, nearY] = ['u', 'D', 'y'].map((name) =>
    k.scratch(name, 'f32', CHUNK * room),
  );
  const nearAt = (t: k.Operand, d: k.Operand, some: k.Stretch): k.Operand =>
    plus(times(t, room), k.sub(toValue(d), some.from));
  const step = (b: k.Value, c: k.Operand, i: k.Value, some: k.Stretch): k.Statements =>
    forChannels(some, channels, (all) => {
      const t = plus(times(c, CHUNK), i);
      const [durations, steps, reads] = registers(['D', 'x', 'y'], all);
      const output = times(plus(times(b, length), t), channels);
      const near = (of: k.Buffer, d: k.Value): k.Value => k.load(of, nearAt(i, d, some));
      return [
        all.map((d, i) => [
          k.set(durations[i], blocks > 1 ? near(nearDelta, d) : delta.at([b, t, d])),
          k.set(steps[i], k.mul(durations[i], blocks > 1 ? near(nearU, d) : u.at([b, t, d]))),
          k.set(reads[i], 0),
        ]),
        forStatesOf(durations, limits, state, all, (isSmall, cells) => {
          const [decays, next] = registers(['a', 'h'], cells.map(({ d }) => d));
          const exponents = cells.map(({ n, d, i }) => k.mul(durations[i], scaledA.at(n, d)));
          return [
            setDecays(decays, exponents, isSmall),
            cells.map(({ n, d, i }, c) => {
              const taken = k.mulAdd(steps[i], B.at([b, t, n]), TINY);
              const carried = k.mulAdd(decays[c], h.at(n, d), taken);
              return k.set(next[c], unlessReset(reset?.at([b, t]), taken, carried));
            }),
            cells.map(({ n, d }, c) => h.set(n, d, next[c])),
            cells.map(({ n, i }, c) =>
              k.set(reads[i], k.mulAdd(next[c], C.at([b, t, n]), reads[i])),
            ),
          ];
        }),
        all.map((d, n) =>
          blocks > 1
            ? k.store(nearY, nearAt(i, d, some), reads[n])
            : k.store(to, plus(output, d), reads[n]),
        ),
      ];
    });
  const chunk = (b: k.Value, c: k.Operand, count: number, some: k.Stretch): k.Statements => {
    const start = plus(startsAt, times(plus(times(b, chunks), c), width));
    return [
      k.loop('n', state, (n) =>
        k.lanes('d', some, (d) =>
          k.store(to, plus(plus(start, times(n, channels)), d), h.at(n, d)),
        ),
      ),
      blocks > 1
        ? forPieces(count, some, (i, d) => {
            const [t, at] = [plus(times(c, CHUNK), i), nearAt(i, d, some)];
            return [
              k.store(nearU, at, u.at([b, t, d])), k.store(nearDelta, at, delta.at([b, t, d])),
            ];
          })
        : [],
      k.loop('t', count, (i) => step(b, c, i, some)),
      blocks > 1
        ? forPieces(count, some, (i, d) => {
            const row = plus(times(b, length), plus(times(c, CHUNK), i));
            return k.store(to, plus(times(row, channels), d), k.load(nearY, nearAt(i, d, some)));
          })
        : [],
    ];
  };
  const forPieces = (
    count: number, some: k.Stretch, body: (i: k.Value, d: k.Value) => k.Statements,
  ): k.Statements => k.loop('t', count, (i) => k.lanes('d', some, (d) => body(i, d)));
  const full = Math.floor(length / CHUNK);
  return forSequences(sizes, (b, some) => [
    scaledA.setAll((n, d) => k.mul(A.at([d, n]), Math.LOG2E), some),
    setLimits(limits, scaledA, sizes, some),
    h.setAll((n, d) => initialState.at([b, d, n]), some),
    k.loop('c', full, (c) => chunk(b, c, CHUNK, some)),
    length > full * CHUNK ? chunk(b, full, length - full * CHUNK, some) : [],
    h.writeTo(to, plus(lastAt, times(b, width)), some),
  ]);
}
