/**
 * The selective scan as two kernels, one forwards and one backwards, that keep all states in the
 * nearest cache (Gu and Dao, "Mamba" (2023), section 3.3: a scan that knows its hardware).
 *
 * Channels go in lanes, so that nothing is ever added across lanes in the inner loop; the N states
 * of a channel are written out. So states and A have channels side by side here: [N, D]. Forwards,
 * the state at the start of each chunk of 32 steps is kept. Backwards, chunk by chunk from the
 * last, states and decays are computed again from there, kept for the chunk, and used in reverse:
 *
 *     for each sequence, for each chunk:
 *       for each 8 channels:     forwards through the chunk, then backwards
 *
 * No decay is computed twice in a pass. eˣ is 2 to the x·log₂e, and A is multiplied by log₂e once.
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor';

/** Steps whose states are kept at once in the backward pass. */
export const CHUNK = 32;

/** Far below any rounding error of a state; keeps decaying states from becoming denormal. */
const TINY = 1e-18;

/** States that are written out in a row; more of them are a loop. */
const UNROLLED = 16;

export interface Sizes {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly state: number;
}

/** 2ˣ, within 3e-7 of itself, for x from −100 to 126; outside, what it is at the end. */
function exp2(x: k.Value): k.Value {
  const rounder = 12582912;
  const inside = k.min(k.max(x, -100), 126);
  const shifted = k.add(inside, rounder);
  const fraction = k.sub(inside, k.sub(shifted, rounder));
  const power = k.polynomial(fraction, [
    1, 0.693147004, 0.240222424, 0.0555073358, 0.00967151299, 0.00132647227,
  ]);
  return k.fromBits(k.add(k.bitsOf(power), k.shiftLeft(k.bitsOf(shifted), 23)));
}

/** Calls the body for 8 channels at a time, as two vectors; then for 4; then for single ones. */
function forChannels(count: number, body: (channels: k.Value[]) => k.Statements): k.Statements {
  const wide = count - (count % 8);
  const half = wide + (count % 8 >= 4 ? 4 : 0);
  const pair = (d: k.Value) => [k.consecutive(d), k.consecutive(k.add(d, 4))];
  return [
    wide > 0 ? k.loop('d', { to: wide, step: 8 }, (d) => body(pair(d))) : [],
    half > wide ? body([k.consecutive(k.constant('i32', wide))]) : [],
    k.loop('d', { from: half, to: count }, (d) => body([d])),
  ];
}

/** Calls the body for each state, written out in rows of `UNROLLED`. */
function forStates(count: number, body: (n: k.Operand) => k.Statements): k.Statements {
  const inRows = count > UNROLLED ? count - (count % UNROLLED) : 0;
  const unrolled = (from: k.Operand, length: number) =>
    Array.from({ length }, (_, i) => body(typeof from === 'number' ? from + i : k.add(from, i)));
  return [
    inRows > 0 ? k.loop('n', { to: inRows, step: UNROLLED }, (n) => unrolled(n, UNROLLED)) : [],
    unrolled(inRows, count - inRows),
  ];
}

// Sums and products of indices, which may be plain numbers.
const plus = (a: k.Operand, b: k.Operand): k.Operand =>
  typeof a === 'number' ? (typeof b === 'number' ? a + b : k.add(b, a)) : k.add(a, b);
const times = (a: k.Operand, by: number): k.Operand => (typeof a === 'number' ? a * by : k.mul(a, by));

const isVector = (d: k.Value): boolean => d.type === 'i32x4';
const neighbours = (i: k.Operand): k.Value =>
  k.consecutive(typeof i === 'number' ? k.constant('i32', i) : i);

/** A register for each vector of channels. */
const registers = (name: string, channels: readonly k.Value[]): k.Variable[] =>
  channels.map((d) => k.variable(name, isVector(d) ? 'f32x4' : 'f32'));

interface Prepared {
  readonly fill: k.Statements;
  at(n: k.Operand, d: k.Operand): k.Value;
}

/** A in scratch memory with channels side by side, times log₂e. */
function prepared(A: Elements, { channels, state }: Sizes): Prepared {
  const scaled = k.scratch('A', 'f32', channels * state);
  const at = (n: k.Operand, d: k.Operand) => k.load(scaled, plus(times(n, channels), d));
  const fill = k.loop('n', state, (n) =>
    k.lanes('d', channels, (d) =>
      k.store(scaled, plus(times(n, channels), d), k.mul(A.at([d, n]), Math.LOG2E)),
    ),
  );
  return { at, fill };
}

/** The factor exp(ΔA), or 0 where the state starts anew. */
function decayOf(scaledA: k.Value, delta: k.Value, reset: k.Value | undefined): k.Value {
  const decay = exp2(k.mul(delta, scaledA));
  return reset === undefined ? decay : k.select(k.notEqual(reset, 0), 0, decay);
}

/**
 * y [B, L, D], the last state [B, D, N] and the state at the start of each chunk [B, chunks, N, D],
 * one behind the other. Where `reset` [B, L], which may be left out, is not 0, a state starts anew.
 */
export function forwardKernel(inputs: readonly Elements[], to: k.Buffer, sizes: Sizes): k.Statements {
  const [u, delta, A, B, C, initialState, reset] = inputs;
  const { batch, length, channels, state } = sizes;
  const scaledA = prepared(A, sizes);
  const h = k.scratch('h', 'f32', channels * state);
  const width = channels * state;
  const lastAt = batch * length * channels;
  const startsAt = lastAt + batch * width;
  const chunks = Math.ceil(length / CHUNK);

  const step = (b: k.Value, t: k.Operand): k.Statements => {
    const row = plus(times(b, length), t);
    return forChannels(channels, (all) => {
      const [durations, steps, reads] = ['D', 'x', 'y'].map((name) => registers(name, all));
      return [
        all.map((d, i) => [
          k.set(durations[i], delta.at([b, t, d])),
          k.set(steps[i], k.mul(durations[i], u.at([b, t, d]))),
          k.set(reads[i], 0),
        ]),
        forStates(state, (n) =>
          all.map((d, i) => {
            const [next] = registers('h', [d]);
            const place = plus(times(n, channels), d);
            const taken = k.mulAdd(steps[i], B.at([b, t, n]), TINY);
            const decay = decayOf(scaledA.at(n, d), durations[i], reset?.at([b, t]));
            return [
              k.set(next, k.mulAdd(decay, k.load(h, place), taken)),
              k.store(h, place, next),
              k.set(reads[i], k.mulAdd(next, C.at([b, t, n]), reads[i])),
            ];
          }),
        ),
        all.map((d, i) => k.store(to, plus(times(row, channels), d), reads[i])),
      ];
    });
  };
  const chunk = (b: k.Value, c: k.Operand, count: number): k.Statements => [
    k.lanes('i', width, (i) =>
      k.store(to, plus(startsAt, plus(times(plus(times(b, chunks), c), width), i)), k.load(h, i)),
    ),
    k.loop('t', count, (t) => step(b, plus(times(c, CHUNK), t))),
  ];
  const full = Math.floor(length / CHUNK);
  return [
    scaledA.fill,
    k.loop('b', batch, (b) => [
      k.loop('n', state, (n) =>
        k.lanes('d', channels, (d) =>
          k.store(h, plus(times(n, channels), d), initialState.at([b, d, n])),
        ),
      ),
      k.loop('c', full, (c) => chunk(b, c, CHUNK)),
      length > full * CHUNK ? chunk(b, full, length - full * CHUNK) : [],
      k.loop('n', state, (n) =>
        k.loop('d', channels, (d) => {
          const place = plus(plus(lastAt, n), plus(times(b, width), times(d, state)));
          return k.store(to, place, k.load(h, plus(times(n, channels), d)));
        }),
      ),
    ]),
  ];
}

/** The gradients of u, Δ, A, B, C and the initial state, one behind the other. */
export function backwardKernel(inputs: readonly Elements[], to: k.Buffer, sizes: Sizes): k.Statements {
  const [g, u, delta, A, B, C, , starts, reset] = inputs;
  const { batch, length, channels, state } = sizes;
  const width = channels * state;
  const rows = batch * length;
  const places = [rows * channels, rows * channels, width, rows * state, rows * state].reduce(
    (ends, size) => [...ends, ends[ends.length - 1] + size],
    [0],
  );
  const [duAt, dDeltaAt, dAAt, dBAt, dCAt, dStateAt] = places;
  const scaledA = prepared(A, sizes);
  const carry = k.scratch('carry', 'f32', width);
  const dA = k.scratch('dA', 'f32', width);
  // Of 8 channels: the decay of each step, and the states before each step and after the last.
  const [decays, states] = ['decays', 'states'].map((name, more) =>
    k.scratch(name, 'f32', (CHUNK + more) * state * 8),
  );
  // Sums over channels, in lanes; behind them, those of single channels.
  const [sumsB, sumsC] = ['dB', 'dC'].map((name) => k.scratch(name, 'f32', CHUNK * state * 5));
  const sumAt = (t: k.Operand, n: k.Operand, d: k.Value): k.Operand => {
    const place = plus(times(t, state), n);
    return isVector(d) ? neighbours(times(place, 4)) : plus(place, CHUNK * state * 4);
  };
  /** Where what is kept for a step of the chunk lies; of 8 channels `d` is in vector `i`. */
  const keptAt = (t: k.Operand, n: k.Operand, d: k.Value, i: number): k.Operand => {
    const place = plus(times(plus(times(t, state), n), 8), 4 * i);
    return isVector(d) ? neighbours(place) : place;
  };
  /** Adds the products of two lists of registers. */
  const addTo = (
    sums: k.Buffer,
    at: k.Operand,
    a: readonly k.Value[],
    b: readonly k.Value[],
  ): k.Statements =>
    k.store(sums, at, a.reduce<k.Value>((sum, x, i) => k.mulAdd(x, b[i], sum), k.load(sums, at)));

  const chunk = (b: k.Value, c: k.Operand, count: number): k.Statements => {
    const timeOf = (t: k.Operand): k.Operand => plus(times(c, CHUNK), t);
    const outputOf = (t: k.Operand, d: k.Operand): k.Operand =>
      plus(times(plus(times(b, length), timeOf(t)), channels), d);
    const startOf = (n: k.Operand, d: k.Operand): k.Operand =>
      plus(times(plus(times(b, Math.ceil(length / CHUNK)), c), width), plus(times(n, channels), d));

    /**
     * Forwards through the chunk: decays, and the state before each step, are kept, and C's
     * gradient is summed.
     */
    const again = (all: readonly k.Value[]): k.Statements => [
      forStates(state, (n) =>
        all.map((d, i) => k.store(states, keptAt(0, n, d, i), starts.at([startOf(n, d)]))),
      ),
      k.loop('t', count, (t) => {
        const [durations, steps, outer] = ['D', 'x', 'g'].map((name) => registers(name, all));
        return [
          all.map((d, i) => [
            k.set(durations[i], delta.at([b, timeOf(t), d])),
            k.set(steps[i], k.mul(durations[i], u.at([b, timeOf(t), d]))),
            k.set(outer[i], g.at([outputOf(t, d)])),
          ]),
          forStates(state, (n) => {
            const [decay, next] = ['a', 'h'].map((name) => registers(name, all));
            return [
              all.map((d, i) => {
                const taken = k.mulAdd(steps[i], B.at([b, timeOf(t), n]), TINY);
                const kept = decayOf(scaledA.at(n, d), durations[i], reset?.at([b, timeOf(t)]));
                return [
                  k.set(decay[i], kept),
                  k.set(next[i], k.mulAdd(decay[i], k.load(states, keptAt(t, n, d, i)), taken)),
                  k.store(decays, keptAt(t, n, d, i), decay[i]),
                  k.store(states, keptAt(plus(t, 1), n, d, i), next[i]),
                ];
              }),
              addTo(sumsC, sumAt(t, n, all[0]), outer, next),
            ];
          }),
        ];
      }),
    ];
    /** Backwards: G is the whole gradient of the state, `carry` what it is but for y_t's part. */
    const back = (all: readonly k.Value[]): k.Statements =>
      k.loop('r', count, (r) => {
        const t = k.sub(count - 1, r);
        const [durations, inputsU, steps, outer, throughInput, throughDecay] = [
          'D', 'u', 'x', 'g', 's', 'q',
        ].map((name) => registers(name, all));
        return [
          all.map((d, i) => [
            k.set(durations[i], delta.at([b, timeOf(t), d])),
            k.set(inputsU[i], u.at([b, timeOf(t), d])),
            k.set(steps[i], k.mul(durations[i], inputsU[i])),
            k.set(outer[i], g.at([outputOf(t, d)])),
            k.set(throughInput[i], 0),
            k.set(throughDecay[i], 0),
          ]),
          forStates(state, (n) => {
            const [G, passed, kept] = ['G', 'passed', 'kept'].map((name) => registers(name, all));
            return [
              all.map((d, i) => {
                const place = plus(times(n, channels), d);
                return [
                  k.set(G[i], k.mulAdd(outer[i], C.at([b, timeOf(t), n]), k.load(carry, place))),
                  k.set(throughInput[i], k.mulAdd(G[i], B.at([b, timeOf(t), n]), throughInput[i])),
                  k.set(passed[i], k.mul(G[i], k.load(decays, keptAt(t, n, d, i)))),
                  k.store(carry, place, k.add(passed[i], TINY)),
                  k.set(kept[i], k.mul(passed[i], k.load(states, keptAt(t, n, d, i)))),
                  k.set(throughDecay[i], k.mulAdd(kept[i], scaledA.at(n, d), throughDecay[i])),
                  k.store(dA, place, k.mulAdd(kept[i], durations[i], k.load(dA, place))),
                ];
              }),
              addTo(sumsB, sumAt(t, n, all[0]), G, steps),
            ];
          }),
          all.map((d, i) => [
            k.store(to, plus(duAt, outputOf(t, d)), k.mul(durations[i], throughInput[i])),
            k.store(
              to,
              plus(dDeltaAt, outputOf(t, d)),
              k.mulAdd(throughDecay[i], Math.LN2, k.mul(inputsU[i], throughInput[i])),
            ),
          ]),
        ];
      });
    const summed = (sums: k.Buffer, at: number): k.Statements =>
      k.loop('t', count, (t) =>
        k.loop('n', state, (n) => {
          const from = plus(times(t, state), n);
          const total = k.add(
            k.reduceLanes(k.add, k.load(sums, neighbours(times(from, 4)))),
            k.load(sums, plus(from, CHUNK * state * 4)),
          );
          return k.store(
            to,
            plus(plus(at, times(plus(times(b, length), timeOf(t)), state)), n),
            total,
          );
        }),
      );
    return [
      [sumsB, sumsC].map((sums) => k.lanes('i', sums.length, (i) => k.store(sums, i, 0))),
      forChannels(channels, (all) => [again(all), back(all)]),
      summed(sumsB, dBAt),
      summed(sumsC, dCAt),
    ];
  };
  const full = Math.floor(length / CHUNK);
  const transposed = (from: k.Buffer, at: k.Operand): k.Statements =>
    k.loop('n', state, (n) =>
      k.loop('d', channels, (d) => {
        const place = plus(plus(at, n), times(d, state));
        return k.store(to, place, k.load(from, plus(times(n, channels), d)));
      }),
    );
  return [
    scaledA.fill,
    k.lanes('i', width, (i) => k.store(dA, i, 0)),
    k.loop('b', batch, (b) => [
      k.loop('n', state, (n) =>
        k.lanes('d', channels, (d) => {
          const from = plus(plus(rows * channels, n), plus(times(b, width), times(d, state)));
          return k.store(carry, plus(times(n, channels), d), g.at([from]));
        }),
      ),
      length > full * CHUNK ? chunk(b, full, length - full * CHUNK) : [],
      k.loop('c', full, (c) => chunk(b, k.sub(full - 1, c), CHUNK)),
      transposed(carry, plus(dStateAt, times(b, width))),
    ]),
    transposed(dA, dAAt),
  ];
}
