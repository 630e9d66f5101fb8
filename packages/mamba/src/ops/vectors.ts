/**
 * What the kernels of the selective scan are made of. Channels go in lanes, eight at a time as two
 * vectors, so that nothing is ever added across lanes in the inner loop; a loop goes over the N
 * states of a channel, two by two. So four decays are computed side by side, as each by itself is a
 * long chain of operations that wait for one another. To write out more states gains nothing.
 */
import * as k from '@mambagrad/kernel';

/** Steps whose states are kept at once in the backward pass. */
export const CHUNK = 32;

/** Far below any rounding error of a state; keeps decaying states from becoming denormal. */
export const TINY = 1e-18;

/** Sizes: the `width` of a sequence's states is channels · state; each group shares B and C. */
export type Sizes = Readonly<
  Record<'batch' | 'length' | 'channels' | 'groups' | 'state' | 'width' | 'chunks', number>
>;

/** One state n of one of the vectors of channels (or single channels) at hand, the i-th. */
export interface Cell {
  readonly n: k.Operand;
  readonly d: k.Expr;
  readonly i: number;
}

/** For each name, a register for each vector of channels. */
export function registers(names: readonly string[], channels: readonly k.Expr[]): k.Variable[][] {
  const type = (d: k.Expr) => (k.isVector(d) ? 'f32x4' : 'f32');
  return names.map((name) => channels.map((d) => k.variable(name, type(d))));
}

/** The chunks that we want at least, if there are enough channels. */
const LEAST_CHUNKS = 8;

/** Whether there is work enough to be shared. */
function isLarge({ batch, length, channels, state }: Sizes): boolean {
  return batch * length * channels * state > 2 ** 14;
}

/**
 * Into how many blocks the channels of a group are cut. Each but the last is whole lines of the
 * cache, better two of them side by side.
 */
export function blocksOf(sizes: Sizes): { readonly count: number; readonly size: number } {
  const { batch, groups } = sizes;
  const channels = sizes.channels / groups;
  const wanted = isLarge(sizes) ? Math.ceil(LEAST_CHUNKS / (batch * groups)) : 1;
  const unit = channels < 128 ? k.LINE_ELEMENTS : 2 * k.LINE_ELEMENTS;
  const size = Math.max(Math.ceil(channels / wanted / unit), 1) * unit;
  return { count: Math.max(Math.ceil(channels / size), 1), size };
}

/** A block of the channels of a group of a sequence, which one thread works on. */
export interface Part {
  /** The number of the sequence in the batch, of the group in it, and of the block in that. */
  readonly b: k.Expr;
  readonly group: k.Operand;
  readonly block: k.Operand;
  /** The first channel of the group. */
  readonly first: k.Operand;
  /** The channels of the block. */
  readonly range: k.Interval;
}

/** Calls the body for each sequence and block of channels, in chunks that threads can share. */
export function forParts(sizes: Sizes, body: (part: Part) => k.Statements): k.Statements {
  const { batch, channels, groups } = sizes;
  const { count, size } = blocksOf(sizes);
  const loop = isLarge(sizes) ? k.parallel : k.loop;
  if (count * groups === 1) {
    const all = { group: 0, block: 0, first: 0, range: { from: 0, to: channels } };
    return loop('b', batch, (b) => body({ b, ...all }));
  }
  return loop('chunk', batch * groups * count, (chunk) => {
    const { setup, row: sequence, part } = k.rowAndPart(chunk, groups * count);
    const [split, place] = placeOf(part, groups, count);
    const inGroup = channels / groups;
    const first = k.times(place.group, inGroup);
    const { from, to, multipleOf } = count > 1
      ? k.chunkRange(place.block, size, inGroup)
      : { from: 0, to: inGroup, multipleOf: inGroup % 4 === 0 ? 4 : undefined };
    const range = { from: k.plus(first, from), to: k.plus(first, to), multipleOf };
    return [
      setup, split,
      // A loop of one iteration, as only loops have induction variables.
      k.loop('b', { from: sequence, to: k.add(sequence, 1) }, (b) =>
        body({ b, ...place, first, range })),
    ];
  });
}

/** The number of a part of a sequence as that of its group and of the block in the group. */
function placeOf(
  part: k.Expr, groups: number, count: number,
): readonly [setup: k.Statements, place: { group: k.Operand; block: k.Expr }] {
  if (groups === 1) return [[], { group: 0, block: part }];
  if (count === 1) return [[], { group: part, block: k.constant('i32', 0) }];
  const { setup, row: group, part: block } = k.rowAndPart(part, count);
  return [setup, { group, block }];
}

/** Calls the body for 8 channels at a time, as two vectors; then for 4; then for single ones. */
export function forChannels(
  { first, range: { from, to } }: Part, sizes: Sizes,
  body: (channels: k.Expr[]) => k.Statements,
): k.Statements {
  const count = sizes.channels / sizes.groups;
  const wide = count - (count % 8);
  const half = wide + (count % 8 >= 4 ? 4 : 0);
  const [endOfWide, endOfHalf, last] = [wide, half, count].map((end) => k.plus(first, end));
  const rest = [
    half > wide ? body([k.ramp(endOfWide)]) : [],
    k.loop('d', { from: endOfHalf, to: last }, (d) => body([d])),
  ];
  const end = k.least(to, endOfWide);
  const isWhole = blocksOf(sizes).count === 1;
  return [
    wide > 0
      ? k.loop('d', { from, to: end, step: 8 }, (d) => body([d, k.add(d, 4)].map(k.ramp)))
      : [],
    wide === count || isWhole ? rest : k.when(k.equal(to, last), rest),
  ];
}

/** Calls the body for two states at a time; if their number is odd, for the last one alone. */
export function forStates(
  count: number,
  channels: readonly k.Expr[],
  body: (cells: readonly Cell[], states: readonly k.Operand[]) => k.Statements,
): k.Statements {
  const compute = (...states: k.Operand[]): k.Statements =>
    body(states.flatMap((n) => channels.map((d, i) => ({ n, d, i }))), states);
  const even = count - (count % 2);
  return [
    k.loop('n', { to: even, step: 2 }, (n) => compute(n, k.add(n, 1))),
    even < count ? compute(even) : [],
  ];
}

/** A number for each state of each channel, [N, D]: channels are side by side. */
export interface Grid {
  readonly buffer: k.Buffer;
  at(n: k.Operand, d: k.Operand): k.Expr;
  set(n: k.Operand, d: k.Operand, value: k.Operand): k.Statements;
  /** Sets all states of all channels, or of some. */
  setAll(value: (n: k.Operand, d: k.Operand) => k.Operand, some?: k.Interval): k.Statements;
  /** Writes those of some channels as [D, N] to a place in a buffer. */
  writeTo(buffer: k.Buffer, start: k.Operand, some: k.Interval): k.Statements;
}

/** A grid in scratch memory. */
export function grid(
  name: string, { channels, state }: Pick<Sizes, 'channels' | 'state'>,
): Grid {
  const buffer = k.scratch(name, 'f32', channels * state);
  const place = (n: k.Operand, d: k.Operand) => k.rowMajor([n, d], [channels]);
  const at: Grid['at'] = (n, d) => k.load(buffer, place(n, d));
  const set: Grid['set'] = (n, d, value) => k.store(buffer, place(n, d), value);
  const setAll: Grid['setAll'] = (value, some = { from: 0, to: channels }) =>
    k.vectorized('d', some, (d) => k.loop('n', state, (n) => set(n, d, value(n, d))));
  const writeTo: Grid['writeTo'] = (to, start, some) =>
    k.vectorized('d', some, (d) =>
      k.loop('n', state, (n) => k.store(to, k.plus(k.plus(start, n), k.times(d, state)), at(n, d))),
    );
  return { buffer, at, set, setAll, writeTo };
}

/** Where all exponents are within this, they need not be brought into bounds one by one. */
const BOUND = 99;

/** Sets what |Δ| may be for that, for each of some channels, given A · log₂e. */
export function setLimits(
  limits: k.Buffer, scaledA: Grid, { state }: Sizes, some: k.Interval,
): k.Statements {
  return k.vectorized('d', some, (d) => {
    const most = k.variable('most', k.isVector(d) ? 'f32x4' : 'f32');
    return [
      k.set(most, 0),
      k.loop('n', state, (n) => k.set(most, k.max(most, k.abs(scaledA.at(n, d))))),
      k.store(limits, d, k.div(BOUND, most)),
    ];
  });
}

/** The same for all states, in two forms: for any Δ, and for small ones, as nearly all are. */
export function forStatesOf(
  durations: readonly k.Expr[], limits: k.Buffer, count: number, channels: readonly k.Expr[],
  body: (isSmall: boolean, ...at: Parameters<Parameters<typeof forStates>[2]>) => k.Statements,
): k.Statements {
  const isLarge = channels.map((d, i) =>
    k.not(k.lessEqual(k.abs(durations[i]), k.load(limits, d))),
  );
  const all = (isSmall: boolean): k.Statements =>
    forStates(count, channels, (...at) => body(isSmall, ...at));
  return k.when(k.any(isLarge.reduce((a, b) => k.or(a, b))), all(false), all(true));
}
