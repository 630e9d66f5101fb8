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
  CHUNK, forChannels, forSequences, forStates, grid, plus, registers, setDecays, type Sizes,
  times, TINY,
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

  const step = (b: k.Value, t: k.Operand, some: k.Stretch): k.Statements =>
    forChannels(some, channels, (all) => {
      const [durations, steps, reads] = registers(['D', 'x', 'y'], all);
      const output = times(plus(times(b, length), t), channels);
      return [
        all.map((d, i) => [
          k.set(durations[i], delta.at([b, t, d])),
          k.set(steps[i], k.mul(durations[i], u.at([b, t, d]))),
          k.set(reads[i], 0),
        ]),
        forStates(state, all, (cells) => {
          const [decays, next] = registers(['a', 'h'], cells.map(({ d }) => d));
          const exponents = cells.map(({ n, d, i }) => k.mul(durations[i], scaledA.at(n, d)));
          return [
            setDecays(decays, exponents, reset?.at([b, t])),
            cells.map(({ n, d, i }, c) => {
              const taken = k.mulAdd(steps[i], B.at([b, t, n]), TINY);
              return k.set(next[c], k.mulAdd(decays[c], h.at(n, d), taken));
            }),
            cells.map(({ n, d }, c) => h.set(n, d, next[c])),
            cells.map(({ n, i }, c) =>
              k.set(reads[i], k.mulAdd(next[c], C.at([b, t, n]), reads[i])),
            ),
          ];
        }),
        all.map((d, i) => k.store(to, plus(output, d), reads[i])),
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
      k.loop('t', count, (t) => step(b, plus(times(c, CHUNK), t), some)),
    ];
  };
  const full = Math.floor(length / CHUNK);
  return forSequences(sizes, (b, some) => [
    scaledA.setAll((n, d) => k.mul(A.at([d, n]), Math.LOG2E), some),
    h.setAll((n, d) => initialState.at([b, d, n]), some),
    k.loop('c', full, (c) => chunk(b, c, CHUNK, some)),
    length > full * CHUNK ? chunk(b, full, length - full * CHUNK, some) : [],
    h.writeTo(to, plus(lastAt, times(b, width)), some),
  ]);
}
