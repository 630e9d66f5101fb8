/**
 * From a group to a kernel: loops over the rows, and in each row the passes of the group. Axes that
 * all arrays walk evenly are one axis, so that plain elementwise work is a single long row:
 *
 *     for i0 in 0..B
 *       for i1 in 0..L                          rows
 *         for j in 0..D step 4                  a pass, four elements at a time
 */
import * as k from '@mambagrad/kernel';
import type { Index } from '../lowering.ts';
import { numelOf } from '../shape.ts';
import { type Bound, boundKernel, bufferOf, readingLeaf } from './buffers.ts';
import type { Group, Member } from './group.ts';
import type { Value } from './trace.ts';

/**
 * So many rows are gone through side by side, if all that comes of them is elements and sums of
 * columns: what they add to a sum is added up first, so that it is loaded and stored once for all.
 */
const ABREAST = 4;
/** And if there are no more members and loads than this: a row takes as many registers. */
const MOST_ABREAST = 8;

/**
 * The extents of the axes, in which an axis that could be merged into the next has become 1; the
 * last stays as it is if there is something for each row (`isByRow`).
 */
function mergedExtents(group: Group, isByRow: boolean): number[] {
  const { domain, accesses, counters, members } = group;
  const extents = [...domain];
  const last = domain.length - 1;
  const stores = members.map(
    (member) => k.load(bufferOf(member.value), group.placeOf(member, counters)).index,
  );
  const indices = [...accesses.map(({ index }) => index), ...stores];
  // Counters that are used in other ways than as a term of an index stay what they are.
  const odd = countersOf([
    ...members.map(({ computed }) => computed),
    ...indices.flatMap(({ terms }) =>
      terms.map(({ of }) => of).filter(({ node }) => node !== 'variable'),
    ),
  ]);
  const timesOf = (index: k.Load['index'], counter: k.Variable): number =>
    index.terms.find(({ of }) => of === counter)?.times ?? 0;
  for (let axis = 0; axis < last; axis++) {
    // What has size 1 is not part of any index, and can go to any side.
    const next = extents.findIndex((extent, other) => other > axis && extent !== 1);
    if (extents[axis] === 1 || next < 0 || (next === last && isByRow)) continue;
    const [own, inner] = [counters[axis], counters[next]];
    const isEven = indices.every(
      (index) => timesOf(index, own) === timesOf(index, inner) * extents[next],
    );
    if (!isEven || odd.has(own) || odd.has(inner)) continue;
    extents[next] *= extents[axis];
    extents[axis] = 1;
  }
  return extents;
}

/** The counters that values are computed from, but for those by which they load. */
function countersOf(values: Iterable<k.Value>): Set<k.Value> {
  // The loop goes on over what is added on the way.
  const seen = new Set(values);
  for (const value of seen) {
    if (value.node === 'operation') for (const input of value.inputs) seen.add(input);
  }
  return seen;
}

/**
 * The kernel of a group. Of its members it stores those that are needed, folds over several
 * rows, and elements that are read again in a later pass; the others stay in registers.
 */
export function rowKernel(group: Group, needed: ReadonlySet<Value>): Bound {
  const { members, domain } = group;
  const isByRow = members.some(({ form }) => form === 'row' || form === 'rowFold');
  const extents = mergedExtents(group, isByRow);
  const widest = extents.findLastIndex((extent) => extent !== 1);
  const inner = isByRow || widest < 0 ? domain.length - 1 : widest;
  const isStored = ({ value, form, pass }: Member): boolean =>
    form === 'fold' || needed.has(value) || (
      form === 'element' &&
      group.accesses.some((access) => access.storage === value && access.pass > pass)
    );
  /** What the round at hand goes through of the axes that are cut. */
  const ranges = new Map<number, k.Range>();
  const reads = new Set<Value>();
  const writes = new Set(members.filter(isStored).map(({ value }) => value));
  /** The registers that hold what belongs to the row, and to the elements at hand. */
  const rowRegisters = new Map<Value, k.Variable>();

  const registerFor = ({ value }: Member, isWide: boolean): k.Variable => {
    const kind = bufferOf(value).kind;
    return k.variable('v', isWide ? `${kind}x4` : kind);
  };
  const valueOf = (
    member: Member,
    at: Index,
    registers: ReadonlyMap<Value, k.Variable>,
  ): k.Value => group.operand(member, at, readingLeaf(reads, registers, rowRegisters));
  const foldOf = ({ step, lowering: { fold } }: Member): k.Reduction => {
    if (fold) return fold;
    throw new Error(`rowKernel: ${step.primitive.name} is no fold`);
  };
  /** Whether a fold adds up a row in a register, and not each element where it belongs. */
  const isFoldedByRow = ({ form, lowering: { axes = [] } }: Member): boolean =>
    form === 'rowFold' || (form === 'fold' && axes.includes(inner));
  /** Puts a member in its place, if it has one; a fold over rows is combined with what is there. */
  const storeOf = (member: Member, at: Index, value: k.Value): k.Statements => {
    if (!writes.has(member.value)) return [];
    const own = group.placeOf(member, at);
    if (member.form !== 'fold') return k.store(bufferOf(member.value), own, value);
    const short = shorts.get(member);
    if (short) return k.accumulateAt({ buffer: short, at: own }, value, foldOf(member));
    return accumulate(member, own, value);
  };

  /** One time through a row, or through several side by side. */
  const pass = (number: number, abreast: readonly Index[]): k.Statements => {
    const [row] = abreast;
    const own = members.filter((one) => one.pass === number && one.form !== 'row');
    const folded = own.filter(isFoldedByRow);
    const totals = folded.map((one) => ({ into: registerFor(one, false), reduction: foldOf(one) }));
    folded.forEach(({ value }, n) => rowRegisters.set(value, totals[n].into));
    const width = inner < 0 ? 1 : extents[inner];
    const body = (
      j: k.Value, combine: (number: number, term: k.Value) => k.Statements,
    ): k.Statements => {
      const isWide = j.type === 'i32x4';
      const [sets, stores]: [k.Statements[], k.Statements[]] = [[], []];
      /** What there is of each member in the rows. */
      const terms = new Map<Member, k.Variable[]>(own.map((one) => [one, []]));
      const places = abreast.map((one) => (inner < 0 ? one : one.with(inner, j)));
      for (const at of places) {
        const registers = new Map<Value, k.Variable>();
        for (const one of own) {
          const value = valueOf(one, at, registers);
          if (folded.includes(one)) {
            sets.push(combine(folded.indexOf(one), value));
          } else {
            const register = registerFor(one, isWide);
            sets.push(k.set(register, value));
            registers.set(one.value, register);
            terms.get(one)?.push(register);
          }
        }
      }
      for (const [one, found] of terms) stores.push(storeAll(one, places, found));
      return [sets, stores];
    };
    return [
      k.reduceAll('j', ranges.get(inner) ?? width, totals, body),
      folded.map((one, n) => storeOf(one, row, totals[n].into)),
      rowMembers(number, row),
    ];
  };
  /** Stores what there is of a member in some rows; of a sum that is first added up. */
  const storeAll = (
    one: Member, places: readonly Index[], found: readonly k.Value[],
  ): k.Statements => {
    const isSum = one.form === 'fold' && found.length > 1;
    if (!isSum) return found.map((value, n) => storeOf(one, places[n], value));
    const { combine } = foldOf(one);
    const [a, b, c, d] = found;
    return storeOf(one, places[0], combine(combine(a, b), combine(c, d)));
  };
  /** What there is one of for each row, computed after a pass. */
  const rowMembers = (number: number, row: Index): k.Statements =>
    members
      .filter(({ form, pass: own }) => form === 'row' && own === number)
      .map((one) => {
        const register = registerFor(one, false);
        const value = valueOf(one, row, new Map());
        rowRegisters.set(one.value, register);
        return [k.set(register, value), storeOf(one, row, register)];
      });
  const passes = Math.max(...members.map((one) => one.pass)) + 1;
  const rows = (axis: number, abreast: readonly Index[]): k.Statements => {
    if (axis === domain.length) {
      return [
        rowMembers(-1, abreast[0]),
        Array.from({ length: passes }, (_, number) => pass(number, abreast)),
      ];
    }
    if (axis === inner || extents[axis] === 1) return rows(axis + 1, abreast);
    const range = ranges.get(axis) ?? extents[axis];
    const next = (...indices: readonly k.Value[]): k.Statements =>
      rows(axis + 1, indices.flatMap((i) => abreast.map((row) => row.with(axis, i))));
    const each = (some: k.Range): k.Statements => {
      if (!isAbreast) return k.loop('i', some, (i) => next(i));
      const { wide, tail } = k.split('rows', some);
      return [
        k.loop('i', wide, (i) => next(...[0, 1, 2, 3].map((n) => k.add(i, n)))),
        k.loop('i', tail, (i) => next(i)),
      ];
    };
    if (shorts.size === 0) return each(range);
    const { from, to } = k.stretchOf(range);
    return k.loop('few', { from, to, step: few }, (first) => [
      each({ from: first, to: k.min(k.add(first, few), to) }),
      [...shorts].map(([one, short]) =>
        k.lanes('z', short.length, (z) => [
          accumulate(one, z, k.load(short, z)),
          k.store(short, z, foldOf(one).identity),
        ]),
      ),
    ]);
  };

  // Threads share the rows; of a single long one its elements, if nothing is there but elements.
  const sums = members.filter(({ form }) => form === 'fold');
  const loops = extents.flatMap((extent, axis) => (axis !== inner && extent !== 1 ? [axis] : []));
  const isLongRow = loops.length === 0 && inner >= 0 && !isByRow && sums.length === 0;
  const cutAxes = isLongRow ? [inner] : loops.slice(0, 2);
  const cutExtents = cutAxes.map((axis) => extents[axis]);
  const elements = numelOf(extents);
  // What rounds add up for themselves must be little beside what they go through.
  const added = sums.reduce((total, { value }) => total + bufferOf(value).length, 0);
  const work = (elements / numelOf(cutExtents)) * members.length;
  const isWorthIt = cutAxes.length > 0 && added * 8 <= elements / 2;
  const pieces = k.cut(
    cutExtents, isWorthIt ? work : 0, isLongRow ? 16 : 1, added * 8 * members.length,
  );
  /** How many terms each of its sums has; of what is folded by row, how many rows. */
  const termsOf = (one: Member): number => {
    const all = elements / bufferOf(one.value).length;
    return isFoldedByRow(one) ? all / extents[inner] : all;
  };
  const isAbreast =
    loops.length === 1 && sums.length > 0 &&
    members.length + group.accesses.length <= MOST_ABREAST &&
    members.every((one) => one.form === 'element' || (
      one.form === 'fold' && !isFoldedByRow(one) && termsOf(one) === extents[loops[0]] &&
      foldOf(one).lost !== undefined
    ));
  const abreast = isAbreast ? ABREAST : 1;
  /** So many rows are a short sum of their columns. */
  const few = k.SHORT * abreast;
  const partials = new Map(
    sums.flatMap((one) => {
      const { kind, length } = bufferOf(one.value);
      // What rounds leave is added up at the end; until then a sum has the terms of one.
      const terms = loops.length === 1 ? Math.min(termsOf(one), pieces.most) : termsOf(one);
      const isLong = k.isLong(foldOf(one), kind, terms / abreast);
      if (pieces.rounds === 1 && !isLong) return [];
      const rests = isLong ? Math.ceil(length / 16) * 16 : undefined;
      const room = Math.ceil(length / 16) * (isLong ? 32 : 16);
      const buffer = k.scratch('sums', kind, room * pieces.rounds);
      return [[one, { buffer, room, rests }] as const];
    }),
  );
  /** Sums of a few rows, which are added to what is kept only then, if all loops are one. */
  const shorts = new Map(
    sums.flatMap((one) => {
      const { kind, length } = bufferOf(one.value);
      if (loops.length !== 1 || partials.get(one)?.rests === undefined) return [];
      return [[one, k.scratch('short', kind, length)] as const];
    }),
  );
  let round: k.Value | undefined;
  const partialOf = (
    one: Member,
  ): { buffer: k.Buffer; start?: k.Value; rests?: number | undefined } => {
    const partial = partials.get(one);
    if (!partial || !round) return { buffer: bufferOf(one.value) };
    const { buffer, room, rests } = partial;
    return { buffer, rests, start: k.mul(round, room) };
  };
  /** Combines what is at a place of a member's sums with a value. */
  const accumulate = (one: Member, own: k.Operand, value: k.Value): k.Statements => {
    const { buffer, start, rests } = partialOf(one);
    const at = start === undefined ? own : k.add(start, own);
    const rest = rests === undefined ? undefined : { buffer, at: k.add(rests, at) };
    return k.accumulateAt({ buffer, at }, value, foldOf(one), rest);
  };
  const body = k.parallel('round', pieces.rounds, (own) => {
    const [before, ...pieceRanges] = pieces.of(own);
    round = own;
    cutAxes.forEach((axis, i) => ranges.set(axis, pieceRanges[i]));
    const identities = sums.map((one) => {
      const { buffer, start = 0, rests } = partialOf(one);
      const { length } = bufferOf(one.value);
      const fill = (to: k.Buffer, from: k.Operand, value: number): k.Statements =>
        k.lanes('z', length, (z) => k.store(to, k.add(z, from), value));
      const { identity } = foldOf(one);
      const short = shorts.get(one);
      return [
        fill(buffer, start, identity),
        rests === undefined ? [] : fill(buffer, k.add(rests, start), 0),
        short ? fill(short, 0, identity) : [],
      ];
    });
    return [before, identities, rows(0, [domain.map(() => 0)])];
  });
  const totals = [...partials].map(([one, { buffer, room, rests }]) => {
    const to = bufferOf(one.value);
    return k.addUp(buffer, [pieces.rounds, to.length, room, rests], foldOf(one), to);
  });
  return boundKernel(group.name, reads, writes, [body, totals]);
}
