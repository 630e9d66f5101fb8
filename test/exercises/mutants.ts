/**
 * Mistakes that people make in the exercises. Each is a wrong answer, with the property that has to
 * find it, and a part of the message, which has to fit the mistake.
 */
import * as k from '@mambagrad/kernel';
import { tensor } from '@mambagrad/tensor';
import * as backward from '../../exercises/solutions/backward.ts';
import * as chunks from '../../exercises/solutions/chunks.ts';
import * as combine from '../../exercises/solutions/combine.ts';
import * as fusion from '../../exercises/solutions/fusion.ts';
import * as liveness from '../../exercises/solutions/liveness.ts';
import * as op from '../../exercises/solutions/op.ts';
import * as scan from '../../exercises/solutions/scan.ts';

/** A mistake, the wrong module, the property that finds it, and what the message says. */
export type Mutant = readonly [mistake: string, module: object, property: RegExp, message: RegExp];

type Value = backward.Value;
type Rule = (node: Value, a: Value, b: Value) => void;

/** The right visit, with that of one op replaced. */
const visiting = (op: Value['op'], rule: Rule): object => ({
  backward: (node: Value) => {
    if (node.op === op) rule(node, node.inputs[0], node.inputs[1]);
    else backward.backward(node);
  },
});

const ofBackward: readonly Mutant[] = [
  ['add forgets the gradient of the node', visiting('add', (_, a, b) => {
    a.grad += 1;
    b.grad += 1;
  }), /^add passes/, /1 · node\.grad/],
  ['add forgets its second input', visiting('add', (node, a) => {
    a.grad += node.grad;
  }), /^add passes/, /'?b\.grad'?: 0/],
  ['mul takes the input itself, not the other', visiting('mul', (node, a, b) => {
    a.grad += node.grad * a.data;
    b.grad += node.grad * b.data;
  }), /^mul gives/, /a gets node\.grad · b/],
  ['exp takes the input, not eᵃ', visiting('exp', (node, a) => {
    a.grad += node.grad * a.data;
  }), /^exp gives/, /node\.data/],
  ['relu lets everything pass', visiting('relu', (node, a) => {
    a.grad += node.grad;
  }), /^relu passes/, /Below 0 relu is constant/],
  ['div forgets the sign', visiting('div', (node, a, b) => {
    a.grad += node.grad / b.data;
    b.grad += (node.grad * a.data) / b.data ** 2;
  }), /^div gives/, /−a \/ b²/],
  ['div forgets the square', visiting('div', (node, a, b) => {
    a.grad += node.grad / b.data;
    b.grad -= (node.grad * a.data) / b.data;
  }), /^div gives/, /−a \/ b²/],
  ['gradients are set, not added', visiting('mul', (node, a, b) => {
    a.grad = node.grad * b.data;
    b.grad = node.grad * a.data;
  }), /holds? already stays/, /\+= instead of =/],
  ['equal inputs get one part', visiting('mul', (node, a, b) => {
    a.grad += node.grad * b.data;
    if (a !== b) b.grad += node.grad * a.data;
  }), /used twice/, /both inputs are the same object/],
  ['the gradient of a leaf is cleared', visiting('leaf', (node) => {
    node.grad = 0;
  }), /^a leaf passes nothing/, /stay as they are/],
  ['gradients of what has been reached are dropped', visiting('add', (node, a, b) => {
    for (const input of [a, b]) {
      if (input.op === 'leaf') input.grad += node.grad;
    }
  }), /^visiting all values/, /the loss/],
];

type Tensor = Parameters<typeof op.gradient>[0];

const ofOp: readonly Mutant[] = [
  ['the half is forgotten', {
    ...op, compute: (x: number) => x + Math.sqrt(x * x + 4),
  }, /^compute gives/, /At 0 it is 1/],
  ['the gradient is that of the root alone', {
    ...op, gradient: (g: Tensor, x: Tensor) => g.mul(x.div(x.square().add(4).sqrt())),
  }, /dy\/dx$/, /at 0 that is 1\/2/],
  ['g is left out', {
    ...op, gradient: (_g: Tensor, x: Tensor) => x.div(x.square().add(4).sqrt()).add(1).div(2),
  }, /multiplies the derivative by g/, /chain rule/],
  ['only the first number is looked at', {
    ...op, gradient: (g: Tensor, x: Tensor) => op.gradient(g, x.flatten().narrow(0, 0, 1)),
  }, /one number for each x/, /whole tensors/],
  ['the gradient is computed from plain numbers', {
    ...op, gradient: (g: Tensor, x: Tensor) => g.mul(tensor(
      Float64Array.from(x.data, (each) => (1 + each / Math.sqrt(each * each + 4)) / 2),
    )),
  }, /differentiated again/, /take a number out of the graph/],
  ['the lowering forgets the root', {
    ...op, lower: (x: k.Expr) => k.mul(k.add(x, k.add(k.mul(x, x), 4)), 0.5),
  }, /^lower gives/, /runs the kernel/],
  ['the lowering is of another function', {
    ...op, lower: (x: k.Expr) => k.max(x, 0),
  }, /^lower gives/, /expected \[1\.618/],
];

type Step = combine.Step;

const ofCombine: readonly Mutant[] = [
  ['the factors are added', {
    ...combine, combine: (earlier: Step, later: Step) => (
      { a: earlier.a + later.a, b: later.a * earlier.b + later.b }
    ),
  }, /factors of two steps multiply/, /then by later\.a/],
  ['the steps change places', {
    ...combine, combine: (earlier: Step, later: Step) => combine.combine(later, earlier),
  }, /takes every state/, /`earlier` comes first/],
  ['the earlier b does not decay', {
    ...combine, combine: (earlier: Step, later: Step) => (
      { a: earlier.a * later.a, b: earlier.b + later.b }
    ),
  }, /takes every state/, /Write out later\(earlier\(h\)\)/],
  ['the earlier b is lost', {
    ...combine, combine: (earlier: Step, later: Step) => ({ a: earlier.a * later.a, b: later.b }),
  }, /takes every state/, /the rest is b/],
  ['the identity is 0', {
    ...combine, identity: () => ({ a: 0, b: 0 }),
  }, /^the identity leaves/, /a · h \+ b = h/],
  ['the identity adds 1', {
    ...combine, identity: () => ({ a: 1, b: 1 }),
  }, /^the identity leaves/, /a · h \+ b = h/],
  ['a step is changed', {
    ...combine, combine: (earlier: { a: number; b: number }, later: Step) => {
      earlier.b = later.a * earlier.b + later.b;
      earlier.a *= later.a;
      return earlier;
    },
  }, /factors of two steps multiply/, /changes its arguments/],
];

type Chunk = chunks.Chunk;

/** The right join, with another carry into each chunk. */
const joining = (
  carryOf: (joined: readonly number[], before: Chunk | undefined) => number,
  add = (state: number, decays: readonly number[], t: number, carry: number) =>
    state + decays[t] * carry,
): object => ({
  ...chunks,
  joinChunks: (all: readonly Chunk[]) => {
    const joined: number[] = [];
    for (const [i, { states, decays }] of all.entries()) {
      const carry = carryOf(joined, all[i - 1]);
      joined.push(...states.map((state, t) => add(state, decays, t, carry)));
    }
    return joined;
  },
});

const lastOf = (joined: readonly number[]): number => joined.at(-1) ?? 0;

const ofChunks: readonly Mutant[] = [
  ['states do not decay', {
    ...chunks, scanChunk: (a: readonly number[], b: readonly number[]) => ({
      ...chunks.scanChunk(a, b), states: chunks.scanChunk(a.map(() => 1), b).states,
    }),
  }, /states of the chunk/, /a\[t\] times the one before/],
  ['decays are the factors themselves', {
    ...chunks, scanChunk: (a: readonly number[], b: readonly number[]) => (
      { ...chunks.scanChunk(a, b), decays: a }
    ),
  }, /product of all factors/, /decays\[1\] is a\[0\] · a\[1\]/],
  ['decays are one step late', {
    ...chunks, scanChunk: (a: readonly number[], b: readonly number[]) => {
      const chunk = chunks.scanChunk(a, b);
      return { ...chunk, decays: [1, ...chunk.decays.slice(0, -1)].slice(0, a.length) };
    },
  }, /product of all factors/, /step t itself is included/],
  ['the first chunk is begun from 1', joining((joined) => joined.at(-1) ?? 1),
    /a single chunk/, /before the first chunk is 0/],
  ['chunks are put side by side', joining(() => 0), /decays into the chunk after it/, /times the carry/],
  ['the carry does not decay', joining(lastOf, (state, _decays, _t, carry) => state + carry),
    /decays into the chunk after it/, /decays\[t\] times the carry/],
  ['every step gets the decay of the whole chunk',
    joining(lastOf, (state, decays, _t, carry) => state + decays[decays.length - 1] * carry),
    /decays into the chunk after it/, /decays\[t\] times the carry/],
  ['the carry is the last state of the chunk by itself',
    joining((_joined, before) => before?.states.at(-1) ?? 0), /third chunk/, /contains what came/],
  ['an empty chunk loses the carry',
    joining((joined, before) => (before?.states.length === 0 ? 0 : lastOf(joined))),
    /empty chunk/, /goes past it/],
];

type Inputs = scan.Inputs;

/** What a scan does at each number of the state. */
interface Parts {
  readonly decay: (given: Inputs, t: number, d: number, n: number) => number;
  readonly drive: (given: Inputs, t: number, d: number, n: number) => number;
  /** What is read, from the state before and after. */
  readonly read: (given: Inputs, before: number, after: number, t: number, n: number) => number;
  readonly place: (d: number) => number;
  readonly start: (given: Inputs) => number[][];
  readonly end: (given: Inputs, state: number[][]) => scan.Table;
  readonly sumOf: (terms: readonly number[]) => number;
}

/** The right scan, with some parts replaced. */
function scanning(wrong: Partial<Parts>): object {
  const parts: Parts = {
    decay: ({ delta, A }, t, d, n) => Math.exp(delta[t][d] * A[d][n]),
    drive: ({ delta, B, u }, t, d, n) => delta[t][d] * B[t][n] * u[t][d],
    read: ({ C }, _before, after, t, n) => C[t][n] * after,
    place: (d) => d,
    start: ({ initialState }) => initialState.map((row) => [...row]),
    end: (_given, state) => state,
    sumOf: (terms) => terms.reduce((a, b) => a + b, 0),
    ...wrong,
  };
  return {
    selectiveScan: (given: Inputs) => {
      const state = parts.start(given);
      const y = given.u.map((inputs, t) => inputs.map((_, d) => {
        const h = state[parts.place(d)];
        return parts.sumOf(given.A[d].map((_, n) => {
          const before = h[n];
          h[n] = parts.decay(given, t, d, n) * before + parts.drive(given, t, d, n);
          return parts.read(given, before, h[n], t, n);
        }));
      }));
      return { y, lastState: parts.end(given, state) };
    },
  };
}

const ofScan: readonly Mutant[] = [
  ['delta is forgotten where the input is written', scanning({
    drive: ({ B, u }, t, d, n) => B[t][n] * u[t][d],
  }), /^one step writes/, /delta · B · u/],
  ['the state is read before it is written', scanning({
    read: ({ C }, before, _after, t, n) => C[t][n] * before,
  }), /^one step writes/, /reads the state after it has written it/],
  ['C is forgotten', scanning({ read: (_given, _before, after) => after }), /^one step writes/, /y is C times/],
  ['the decay is 1 + ΔA, not its exponential', scanning({
    decay: ({ delta, A }, t, d, n) => 1 + delta[t][d] * A[d][n],
  }), /decays by exp/, /exponent has both delta and A/],
  ['delta is forgotten in the decay', scanning({
    decay: ({ A }, _t, d, n) => Math.exp(A[d][n]),
  }), /decays by exp/, /exponent has both delta and A/],
  ['the initial state is ignored', scanning({
    start: ({ initialState }) => initialState.map((row) => row.map(() => 0)),
  }), /decays by exp/, /initialState, decayed/],
  ['the initial state is changed', scanning({
    start: ({ initialState }) => initialState as number[][],
  }), /./, /changes its arguments/],
  ['every step uses the B of the first', scanning({
    drive: ({ delta, B, u }, t, d, n) => delta[t][d] * B[0][n] * u[t][d],
  }), /from step to step/, /delta\[t\], B\[t\] and C\[t\]/],
  ['only the last number of the state is read', scanning({
    sumOf: (terms) => terms[terms.length - 1],
  }), /adds up all numbers/, /sum over n/],
  ['channels share a state', scanning({ place: () => 0 }), /each channel has a state/, /index d/],
  ['channels share the first delta', scanning({
    decay: ({ delta, A }, t, d, n) => Math.exp(delta[t][0] * A[d][n]),
  }), /each channel has a state/, /index d/],
  ['the last state is that before the last step', {
    selectiveScan: (given: Inputs) => {
      const [last] = [given.u.length - 1];
      const { lastState } = scan.selectiveScan({ ...given, u: given.u.slice(0, last) });
      return { ...scan.selectiveScan(given), lastState };
    },
  }, /^one step writes/, /after the step it is delta/],
  ['an empty sequence has no last state', {
    selectiveScan: (given: Inputs) => {
      const result = scan.selectiveScan(given);
      return given.u.length > 0 ? result : { ...result, lastState: given.A.map((row) => row.map(() => 0)) };
    },
  }, /cut in two/, /lastState is the state after the last step/],
];

type Op = fusion.Op;

/** The right rule, with another answer about a read of a value that the group makes. */
const fusing = (
  isAvailable: (read: fusion.Read, producer: Op) => boolean, isOfSize = true,
): object => ({
  canFuse: (group: readonly Op[], op: Op) => (
    (!isOfSize || group.every(({ size }) => size === op.size)) && op.reads.every((read) => {
      const producer = group.find(({ makes }) => makes === read.value);
      return producer === undefined || isAvailable(read, producer);
    })
  ),
});

const ofFusion: readonly Mutant[] = [
  ['nothing is fused', { canFuse: () => false }, /share a loop$/, /computed before the loop/],
  ['everything is fused', { canFuse: () => true }, /different numbers/, /one number of iterations/i],
  ['sizes are not compared', fusing(({ element }, { isReduction }) => (
    element === 'same' && !isReduction
  ), false), /different numbers/, /one number of iterations/i],
  ['nothing of the group may be read', fusing(() => false), /can read element i/, /just been computed/],
  ['any element may be read', fusing((_, { isReduction }) => !isReduction),
    /cannot read another element/, /may not have been computed/],
  ['reductions never join', {
    canFuse: (group: readonly Op[], op: Op) => !op.isReduction && fusion.canFuse(group, op),
  }, /^a sum of values/, /result that must wait/],
  ['sums are read at once', fusing(({ element }) => element === 'same'),
    /cannot read the result of a reduction/, /complete only when/],
  ['a reduction ends its group', {
    canFuse: (group: readonly Op[], op: Op) => (
      !group.some(({ isReduction }) => isReduction) && fusion.canFuse(group, op)
    ),
  }, /no obstacle/, /Only the values that the op reads/],
  ['only the first read is looked at', {
    canFuse: (group: readonly Op[], op: Op) => (
      fusion.canFuse(group, { ...op, reads: op.reads.slice(0, 1) })
    ),
  }, /cannot read the result|all that an op reads/, /./],
  ['values from before the loop may not be read backwards', {
    canFuse: (group: readonly Op[], op: Op) => (
      fusion.canFuse(group, op) && op.reads.every(({ element }) => element === 'same')
    ),
  }, /share a loop$/, /in any way/],
  ['only the last op of the group is looked at', {
    canFuse: (group: readonly Op[], op: Op) => fusion.canFuse(group.slice(-1), op),
  }, /cannot read another element/, /./],
];

type Lifetimes = Map<string, liveness.Lifetime>;
type Steps = readonly liveness.Step[];

/** The right lifetimes, changed. */
const living = (
  change: (
    lifetime: liveness.Lifetime, name: string, steps: Steps, results: readonly string[],
  ) => liveness.Lifetime | undefined,
): object => ({
  liveness: (steps: Steps, results: readonly string[]): Lifetimes => {
    const lifetimes: Lifetimes = new Map();
    for (const [name, lifetime] of liveness.liveness(steps, results)) {
      const changed = change(lifetime, name, steps, results);
      if (changed) lifetimes.set(name, changed);
    }
    return lifetimes;
  },
});

const readers = (steps: Steps, name: string): number[] =>
  steps.flatMap(({ reads }, i) => (reads.includes(name) ? [i] : []));

const ofLiveness: readonly Mutant[] = [
  ['a value is alive to the end', living(({ from }, _name, steps) => (
    { from, to: steps.length }
  )), /to the step that reads it/, /`to`/],
  ['the reader is left out', living(({ from, to }, _name, steps) => (
    { from, to: to === steps.length ? to : Math.max(from, to - 1) }
  )), /to the step that reads it/, /the step that reads it is `to`/],
  ['the first reader is taken for the last', living(({ from, to }, name, steps) => {
    const [first = to] = readers(steps, name);
    return { from, to: to === steps.length ? to : first };
  }), /last of them/, /A later read moves `to`/],
  ['`from` moves with every read', living(({ from, to }, name, steps) => {
    const all = readers(steps, name);
    return { from: all.length > 1 ? all[0] : from, to };
  }), /last of them/, /leaves `from` as it is/],
  ['a value that is not read is left out', living((lifetime, name, steps, results) => (
    readers(steps, name).length > 0 || results.includes(name) ? lifetime : undefined
  )), /no step reads/, /needs a place/],
  ['an argument is alive from 0', living(({ from, to }) => ({ from: Math.max(from, 0), to })),
    /alive from −1$/, /before step 0/],
  ['an argument is alive from its first reader', living(({ from, to }, name, steps) => (
    { from: from === -1 ? readers(steps, name)[0] ?? -1 : from, to }
  )), /alive from −1$/, /there before step 0/],
  ['results are forgotten', {
    liveness: (steps: Steps) => liveness.liveness(steps, []),
  }, /a result is alive to the end/, /The caller reads it/],
  ['a result ends at the last step', living(({ from, to }, _name, steps) => (
    { from, to: to === steps.length ? to - 1 : to }
  )), /a result is alive to the end/, /steps\.length/],
  ['a result that is an argument is forgotten', living((lifetime, name, steps) => (
    readers(steps, name).length === 0 && lifetime.from === -1 ? undefined : lifetime
  )), /an argument that is a result/, /give back what it was given/],
  ['a result that is read early ends there', living(({ from, to }, name, steps) => (
    { from, to: readers(steps, name).at(-1) ?? to }
  )), /a result is alive to the end/, /whichever step read it last/],
  ['the second value that a step reads is missed', {
    liveness: (steps: Steps, results: readonly string[]) => liveness.liveness(
      steps.map((step) => ({ ...step, reads: step.reads.slice(0, 1) })), results,
    ),
  }, /can share memory/, /overwritten too early/],
];

/** The parts of a micro-kernel. */
interface TileParts {
  readonly start: k.Operand | undefined;
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly ofA: (at: k.Expr, row: number, depth: number) => k.Expr;
  readonly ofB: (at: k.Expr, column: number) => k.Expr;
  readonly target: (row: number, column: number) => number;
  /** Whether what is loaded is put into variables. */
  readonly isKept: boolean;
  /** Whether sums are in memory while k runs. */
  readonly isInMemory: boolean;
}

/** The right micro-kernel, with some parts replaced. */
function tiling(wrong: Partial<TileParts>): object {
  const { start, rows, columns, ofA, ofB, target, isKept, isInMemory }: TileParts = {
    start: 0, rows: [0, 1, 2, 3], columns: [0, 4],
    ofA: (at, row, depth) => k.add(at, row * depth),
    ofB: (at, column) => k.add(k.mul(at, 8), column),
    target: (row, column) => 8 * row + column,
    isKept: true, isInMemory: false, ...wrong,
  };
  return {
    microkernel: (a: k.Buffer, b: k.Buffer, y: k.Buffer, depth: number): k.Statements => {
      const tile = rows.flatMap((row) => columns.map((column) => (
        { row, column, sum: k.variable('sum', 'f32x4'), place: k.ramp(target(row, column)) }
      )));
      const keep = (type: 'f32' | 'f32x4', value: k.Expr) => {
        const kept = k.variable('kept', type);
        return isKept ? { set: [k.set(kept, value)], value: kept } : { set: [], value };
      };
      return [
        tile.map(({ sum, place }) => [
          start === undefined ? k.set(sum, k.load(y, place)) : k.set(sum, start),
          isInMemory ? k.store(y, place, sum) : [],
        ]),
        k.loop('k', depth, (at) => {
          const vectors = columns.map((column) => keep('f32x4', k.load(b, k.ramp(ofB(at, column)))));
          const factors = rows.map((row) => keep('f32', k.load(a, ofA(at, row, depth))));
          return [
            [...vectors, ...factors].map(({ set }) => set),
            tile.map(({ row, column, sum, place }) => {
              const product = k.mul(
                factors[rows.indexOf(row)].value, vectors[columns.indexOf(column)].value,
              );
              return isInMemory
                ? k.store(y, place, k.add(k.load(y, place), product))
                : k.set(sum, k.add(sum, product));
            }),
          ];
        }),
        isInMemory ? [] : tile.map(({ sum, place }) => k.store(y, place, sum)),
      ];
    },
  };
}

const ofMicrokernel: readonly Mutant[] = [
  ['the sums begin with what is in y', tiling({ start: undefined }), /depth 0/, /Set the sums to 0 first/],
  ['the sums begin with 1', tiling({ start: 1 }), /depth 0/, /Set the sums to 0 first/],
  ['only four columns are computed', tiling({ columns: [0] }), /./, /unwritten/],
  ['only three rows are computed', tiling({ rows: [0, 1, 2] }), /./, /unwritten/],
  ['both halves take the first columns of b', tiling({ ofB: (at) => k.mul(at, 8) }),
    /row of b/, /all 8 columns/],
  ['all rows take the first row of a', tiling({ ofA: (at) => at }), /row of b/, /y\[i, j\]/],
  ['a is read as if it had 8 columns', tiling({ ofA: (at, row) => k.add(at, 8 * row) }),
    /row of b|depth 2/, /./],
  ['a is read column by column', tiling({ ofA: (at, row) => k.add(k.mul(at, 4), row) }),
    /depth 2/, /i · depth \+ k/],
  ['sums are in memory while k runs', tiling({ isInMemory: true }), /^y is written once/, /stay in registers/],
  ['numbers are loaded for every use', tiling({ isKept: false }), /^each k loads/, /evaluated again/],
];

/** The mutants of each exercise. */
export const mutants: Readonly<Record<string, readonly Mutant[]>> = {
  backward: ofBackward, op: ofOp, combine: ofCombine, chunks: ofChunks, scan: ofScan,
  fusion: ofFusion, liveness: ofLiveness, microkernel: ofMicrokernel,
};
