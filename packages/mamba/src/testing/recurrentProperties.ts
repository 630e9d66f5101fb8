/** The properties of recurrent models, each comparing a model with itself. */
import { concat, Tensor, tensor } from '@mambagrad/tensor';
import { range } from './cases.ts';
import { randomFrom } from './random.ts';
import {
  type Leaves, leavesOf, type ModelCase, type ModelSubject, type RecurrentOptions,
} from './recurrentModel.ts';

/** The names of the properties, in the order in which they are checked. */
export const recurrentProperties = [
  'initialState', 'repeatable', 'forward', 'pieces', 'step', 'causality', 'batch', 'packed', 'mask',
  'nanInPadding', 'gradients',
] as const;

/** The name of a property of recurrent models. */
export type RecurrentProperty = (typeof recurrentProperties)[number];

/** A property of recurrent models. */
export interface ModelProperty {
  /** What it says, for reports. */
  readonly says: string;
  /** What the model must have or be able to do. */
  readonly needs?: 'flags' | 'initialState' | 'forward' | 'step' | 'parameters';
  /** Throws a Difference where it does not hold. */
  readonly check: (subject: ModelSubject, given: ModelCase) => Promise<void>;
}

type Flags = Pick<RecurrentOptions<unknown>, 'reset' | 'mask'>;

/** The steps of x, from one on. */
const steps = (x: Tensor, from: number, count: number): Tensor => x.narrow(1, from, count);

/** What reading gives, by the places of its tensors. */
const leaves = (y: Tensor, state: unknown): Leaves => leavesOf({ y, state });

/** Reads x whole. */
async function readWhole(
  subject: ModelSubject, x: Tensor, state: unknown, flags: Flags = {},
): Promise<Leaves> {
  const whole = await subject.scan(x, { ...flags, state });
  return leaves(whole.y, whole.state);
}

/** The flags of some steps. */
const flagsOf = ({ reset, mask }: Flags, from: number, count: number): Flags =>
  ({ reset: reset && steps(reset, from, count), mask: mask && steps(mask, from, count) });

/** Reads pieces of x of the given lengths one after the other, or each from the start. */
async function readPieces(
  subject: ModelSubject, x: Tensor, state: unknown, lengths: readonly number[],
  { flags = {}, isAnew = false }: { readonly flags?: Flags; readonly isAnew?: boolean } = {},
): Promise<Leaves> {
  let [from, now] = [0, state];
  const ys: Tensor[] = [];
  for (const length of lengths) {
    const piece = await subject.scan(steps(x, from, length), {
      ...flagsOf(flags, from, length), state: isAnew && from > 0 ? undefined : now,
    });
    ys.push(piece.y);
    now = piece.state;
    from += length;
  }
  return leaves(concat(ys, 1), now);
}

/** Flags that are 1 with a certain chance; the same in all rows, if so wanted. */
function drawFlags({ batch, length, seed }: ModelCase, share: number, areSame = false): Tensor {
  const random = randomFrom(seed + 2);
  const rows = range(0, batch).map(() =>
    range(0, length).map(() => Number(random.chance(share))));
  const flags = (areSame ? rows.map(() => rows[0]) : rows).flat();
  return tensor(flags, { shape: [batch, length], dtype: 'i32' });
}

/** Any flags, if the model takes them. */
function drawAnyFlags({ inputs: { flags } }: ModelSubject, given: ModelCase): Flags {
  if (!flags || given.seed % 3 === 0) return {};
  return { reset: drawFlags(given, 0.3), mask: drawFlags({ ...given, seed: given.seed + 1 }, 0.7) };
}

/**
 * Compares x read in two pieces, and in single steps, with x read whole; `measure` says what of the
 * results is compared.
 */
async function comparePieces(
  subject: ModelSubject, given: ModelCase, x: Tensor, state: unknown, times: number,
  measure: (results: Leaves) => Leaves,
): Promise<void> {
  const { at, length } = given;
  const flags = drawAnyFlags(subject, given);
  const measured = (results: Leaves): Leaves =>
    measure(flags.mask ? withoutPadding(results, flags.mask) : results);
  const whole = measured(await readWhole(subject, x, state, flags));
  const halves = await readPieces(subject, x, state, [at, length - at], { flags });
  subject.requireClose(`cut before step ${at}`, measured(halves), whole, times);
  if (length === 0) return;
  const single = await readPieces(subject, x, state, range(0, length).map(() => 1), { flags });
  subject.requireClose('cut into single steps', measured(single), whole, times);
}

/** The numbers of each tensor, as they are now. */
function copiesOf(all: Leaves): Leaves {
  return new Map([...all].map(([name, x]) => [name, tensor(x.data, { shape: x.shape })]));
}

/** Results with y cleared at padding, where it means nothing. */
function withoutPadding(results: Leaves, mask: Tensor): Leaves {
  return new Map([...results].map(([name, x]) => {
    if (name !== 'y') return [name, x];
    const column = mask.reshape([...mask.shape, ...x.shape.slice(2).map(() => 1)]);
    return [name, column.where(x, 0)];
  }));
}

/** x with something else at padding: NaN, or a token that there is not. */
function spoiled(x: Tensor, mask: Tensor): Tensor {
  const column = mask.reshape([...mask.shape, ...x.shape.slice(2).map(() => 1)]);
  return column.where(x, x.dtype === 'i32' ? -1 : NaN);
}

/** The properties by name. */
export const modelProperties: Readonly<Record<RecurrentProperty, ModelProperty>> = {
  initialState: {
    says: 'initialState is the state before the first step, and reading nothing keeps a state',
    needs: 'initialState',
    check: async (subject, given) => {
      const { x, state } = await subject.begin(given);
      const start = await subject.start(given.batch, undefined);
      const found = await readWhole(subject, x, start);
      subject.requireClose('from initialState', found, await readWhole(subject, x, undefined));
      const before = state ?? start;
      const after = await subject.scan(steps(x, 0, 0), { state: before });
      subject.requireClose(
        'after no steps', leavesOf({ state: after.state }), leavesOf({ state: before }), 0,
      );
    },
  },
  repeatable: {
    says: 'it changes neither its input nor the state that it is given, and gives the same again',
    check: async (subject, given) => {
      const { x, state } = await subject.begin(given);
      const before = await subject.start(given.batch, state);
      const kept = copiesOf(leavesOf({ x, state: before }));
      const first = copiesOf(await readWhole(subject, x, before));
      const second = await readWhole(subject, x, before);
      if (given.length > 0 && subject.model.step) {
        await subject.step(steps(x, 0, 1).squeeze(1), before);
      }
      subject.requireClose('afterwards', leavesOf({ x, state: before }), kept, 0);
      subject.requireClose('read again', second, first, 0);
    },
  },
  forward: {
    says: 'forward gives what scan gives, or its last step',
    needs: 'forward',
    check: async (subject, given) => {
      const { x } = await subject.begin({ ...given, before: 0 });
      if (given.length === 0) return;
      const y = await subject.model.forward?.(x);
      const { y: all } = await subject.scan(x, {});
      const isLast = y instanceof Tensor && y.ndim === all.ndim - 1;
      const expected = isLast ? steps(all, given.length - 1, 1).squeeze(1) : all;
      subject.requireClose('forward', leavesOf({ y }), leavesOf({ y: expected }));
    },
  },
  pieces: {
    says: 'cut anywhere, with the state carried over, it gives the whole',
    check: async (subject, given) => {
      const { x, state } = await subject.begin(given);
      await comparePieces(subject, given, x, state, 1, (results) => results);
    },
  },
  step: {
    says: 'step by step, it gives the whole',
    needs: 'step',
    check: async (subject, given) => {
      const { x, state } = await subject.begin(given);
      let now = await subject.start(given.batch, state);
      const ys: Tensor[] = [];
      for (const t of range(0, given.length)) {
        const one = await subject.step(steps(x, t, 1).squeeze(1), now);
        ys.push(one.y.unsqueeze(1));
        now = one.state;
      }
      if (ys.length === 0) return;
      const found = leaves(concat(ys, 1), now);
      subject.requireClose('step by step', found, await readWhole(subject, x, state));
    },
  },
  causality: {
    says: 'later steps change nothing of earlier ones',
    check: async (subject, given) => {
      const { batch, length, at, seed } = given;
      const { x, state } = await subject.begin(given);
      const other = subject.draw(batch, length, seed + 3);
      const changed = concat([steps(x, 0, at), steps(other, at, length - at)], 1);
      const [found, expected] = [
        await subject.scan(changed, { state }), await subject.scan(x, { state }),
      ];
      subject.requireClose(
        `with other steps from ${at}`,
        leavesOf({ y: steps(found.y, 0, at) }), leavesOf({ y: steps(expected.y, 0, at) }),
      );
    },
  },
  batch: {
    says: 'a row gives the same alone as beside others',
    check: async (subject, given) => {
      const { x } = await subject.begin({ ...given, before: 0 });
      const { y } = await subject.scan(x, {});
      for (const row of range(0, given.batch)) {
        const alone = await subject.scan(x.narrow(0, row, 1), {});
        subject.requireClose(
          `row ${row}`, leavesOf({ y: y.narrow(0, row, 1) }), leavesOf({ y: alone.y }),
        );
      }
    },
  },
  packed: {
    says: 'documents in one row give what each gives alone',
    needs: 'flags',
    check: async (subject, given) => {
      const { x, state } = await subject.begin(given);
      const reset = drawFlags(given, 0.4, true).mul(firstIsNone(given));
      const starts = range(0, given.length).filter((t) => t === 0 || reset.data[t] === 1);
      const lengths = starts.map((start, i) => (starts[i + 1] ?? given.length) - start);
      if (lengths.length === 0) return;
      const alone = await readPieces(subject, x, state, lengths, { isAnew: true });
      const packed = await readWhole(subject, x, state, { reset });
      subject.requireClose('packed', packed, alone);
    },
  },
  mask: {
    says: 'padding, wherever it is, leaves the state and all other steps as they are',
    needs: 'flags',
    check: async (subject, given) => {
      const { x, state } = await subject.begin(given);
      const mask = drawFlags(given, 0.6, true);
      const places = range(0, given.length).filter((t) => mask.data[t] === 1);
      const index = tensor(places, { shape: [places.length], dtype: 'i32' });
      const taken = (of: Tensor): Tensor => of.indexSelect(1, index);
      const found = await subject.scan(x, { state, mask });
      const alone = await readWhole(subject, taken(x), state);
      subject.requireClose('padded', leaves(taken(found.y), found.state), alone);
    },
  },
  nanInPadding: {
    says: 'padding may hold anything, NaN or a token that does not exist',
    needs: 'flags',
    check: async (subject, given) => {
      const { x, state } = await subject.begin(given);
      const mask = drawFlags(given, 0.6);
      const [found, expected] = [
        await readWhole(subject, spoiled(x, mask), state, { mask }),
        await readWhole(subject, x, state, { mask }),
      ];
      subject.requireClose(
        'with anything at padding', withoutPadding(found, mask), withoutPadding(expected, mask),
      );
    },
  },
  gradients: {
    says: 'cut anywhere, it has the gradients of the whole',
    needs: 'parameters',
    check: async (subject, given) => {
      const { x: numbers, state } = await subject.begin(given);
      const x = numbers.dtype === 'i32' ? numbers : numbers.detach();
      if (x.dtype !== 'i32') x.requiresGrad = true;
      await comparePieces(subject, given, x, state, 10, (results) => subject.gradients(x, results));
    },
  },
};

/** 0 for the first step of each row, 1 for others. */
function firstIsNone({ batch, length }: ModelCase): Tensor {
  const flags = range(0, batch * length).map((i) => Number(i % length > 0));
  return tensor(flags, { shape: [batch, length], dtype: 'i32' });
}
