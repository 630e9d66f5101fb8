/**
 * Random recurrences for `scan`, and the loop that defines what it computes.
 *
 * A recurrence has one part or several, drawn from a list: dense layers and products of matrices,
 * whose Jacobians do not commute; decays near 1, by which an error in a gradient is carried far;
 * and random programs. Each part has states, inputs and captured tensors, and reads a number that
 * the parts before it give, so that everything depends on everything.
 */
import { concat, scan, type ScanOptions, stack, Tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import {
  type Draw, drawIndices, drawInteger, drawTensor,
} from './draw.ts';
import { drawProgram } from './program.ts';

/** `scan`, or something that should be the same. */
export type Scan = typeof scan;

/** A tree with each tensor replaced, in the order of sorted keys; `scan` has its own. */
export function mapTree(tree: unknown, replace: (x: Tensor) => unknown): unknown {
  if (tree instanceof Tensor) return replace(tree);
  if (Array.isArray(tree)) return tree.map((part) => mapTree(part, replace));
  if (typeof tree !== 'object' || tree === null) return tree;
  return Object.fromEntries(
    Object.entries(tree).sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, part]) => [name, mapTree(part, replace)]),
  );
}

/** The tensors of a tree, in order. */
export function leavesOf(tree: unknown): Tensor[] {
  const found: Tensor[] = [];
  mapTree(tree, (x) => found.push(x));
  return found;
}

/** What `scan` means: a loop of the ops that there were before it. */
export const loop: Scan = (step, initialState, inputs, options: ScanOptions = {}) => {
  const { axis = 0, reverse = false } = options;
  const length = options.length ?? leavesOf(inputs)[0].shape.at(axis) ?? 0;
  const at = (x: Tensor, t: number) => x.narrow(axis, t, 1).squeeze(axis);
  const outputs = new Array<unknown>(length);
  let state = initialState;
  for (let i = 0; i < length; i++) {
    const t = reverse ? length - 1 - i : i;
    const given = step(state, mapTree(inputs, (x) => at(x, t)) as typeof inputs);
    state = given.state;
    outputs[t] = given.output;
  }
  const steps = outputs.map(leavesOf);
  let next = 0;
  const stacked = mapTree(outputs[0], () => {
    const n = next++;
    return stack(steps.map((tensors) => tensors[n]), axis);
  });
  return { state, outputs: stacked as never };
};

/** What a step of a part is given: tensors in the order in which the part has them. */
interface Given {
  readonly state: readonly Tensor[];
  readonly inputs: readonly Tensor[];
  readonly captured: readonly Tensor[];
  /** A number, 0-d, of the part before. */
  readonly signal: Tensor;
}

interface Part {
  readonly name: string;
  readonly state: readonly Tensor[];
  /** With time as the first axis. */
  readonly inputs: readonly Tensor[];
  readonly captured: readonly Tensor[];
  /** The next states, and any outputs; `scan` is for loops inside. */
  readonly step: (given: Given, scan: Scan) => { state: Tensor[]; outputs: Tensor[] };
}

/** Draws a part whose inputs have the given number of steps. */
type DrawPart = (g: Draw, length: number) => Omit<Part, 'name'>;

const sizes = (g: Draw, ...largest: number[]) => largest.map((most) => drawInteger(g, 1, most));
/** A tensor whose product with a vector of `count` numbers is about as large as the vector. */
const weights = (g: Draw, ...shape: number[]) =>
  drawTensor(g, shape, -2 / Math.sqrt(shape[0]), 2 / Math.sqrt(shape[0]));

/** h′ = tanh(h·W + x·U + b) */
const dense: DrawPart = (g, length) => {
  const [batch, hidden, features] = sizes(g, 3, 5, 3);
  return {
    state: [drawTensor(g, [batch, hidden])],
    inputs: [drawTensor(g, [length, batch, features])],
    captured: [weights(g, hidden, hidden), weights(g, features, hidden), drawTensor(g, [hidden])],
    step: ({ state: [h], inputs: [x], captured: [W, U, b], signal }) => {
      const next = h.matmul(W).add(x.matmul(U)).add(b).add(signal).tanh();
      return { state: [next], outputs: [next] };
    },
  };
};

/** h′ = a ⊙ h + x, with a just below 1 of its own for each step or for all; the output is c · h. */
const decay: DrawPart = (g, length) => {
  const [rows, channels] = sizes(g, 2, 4);
  const isCaptured = g(fc.boolean);
  const a = drawTensor(g, isCaptured ? [channels] : [length, rows, channels], 0.97, 1);
  const c = drawTensor(g, [channels]);
  return {
    state: [drawTensor(g, [rows, channels])],
    inputs: [drawTensor(g, [length, rows, channels]), ...(isCaptured ? [] : [a])],
    captured: [c, ...(isCaptured ? [a] : [])],
    step: ({ state: [h], inputs: [x, own], captured: [scale, shared], signal }) => {
      const next = h.mul(own ?? shared).add(x.mul(signal.add(1)));
      return { state: [next], outputs: [next.mul(scale).sum(-1)] };
    },
  };
};

/** M′ = M·A, a product of matrices that are close to rotations. */
const product: DrawPart = (g, length) => {
  const [size] = sizes(g, 3);
  const matrix = drawTensor(g, [size, size]);
  return {
    state: [matrix],
    inputs: [drawTensor(g, [length, size, size], -0.9, 0.9)],
    captured: [],
    step: ({ state: [M], inputs: [A], signal }) => {
      const next = M.matmul(A).add(signal.mul(0.1));
      return { state: [next], outputs: [M] };
    },
  };
};

/** A count that is an integer, a state that stays as it is, and an input that is not read. */
const still: DrawPart = (g, length) => ({
  state: [drawIndices(g, [2], 3), drawTensor(g, [3])],
  inputs: [drawTensor(g, [length, 2]), drawIndices(g, [length, 2], 2)],
  captured: [drawTensor(g, [3])],
  step: ({ state: [count, kept], inputs: [, flags], captured: [c], signal }) => {
    const scale = count.cast(kept.dtype).sum().mul(0.1);
    const output = kept.mul(c).mul(scale.add(signal));
    return { state: [count.add(1).sub(flags), kept], outputs: [output, flags, c] };
  },
});

/** States that change places, take over an input, and are put out as they were. */
const moves: DrawPart = (g, length) => {
  const [size] = sizes(g, 4);
  return {
    state: [0, 1, 2].map(() => drawTensor(g, [size])),
    inputs: [drawTensor(g, [length, size])],
    captured: [],
    step: ({ state: [a, b, c], inputs: [x], signal }) => (
      { state: [b, a.mul(0.9).add(c.mul(signal)), x], outputs: [a, c, a, x] }
    ),
  };
};

/** A scan over the rows of each input: h′ is the last state of the inner one. */
const nested: DrawPart = (g, length) => {
  const [rows, hidden] = sizes(g, 3, 3);
  const reverse = g(fc.boolean);
  return {
    state: [drawTensor(g, [hidden])],
    inputs: [drawTensor(g, [length, rows, hidden])],
    captured: [weights(g, hidden, hidden)],
    step: ({ state: [h], inputs: [x], captured: [W], signal }, inner) => {
      const { state, outputs } = inner(
        (before: Tensor, row: Tensor) => {
          const next = before.unsqueeze(0).matmul(W).squeeze(0).add(row).add(signal).tanh();
          return { state: next, output: next.mul(before) };
        },
        h, x, { reverse },
      );
      return { state: [state], outputs: [outputs] };
    },
  };
};

/** A random program, whose inputs are states, inputs and captured tensors, in any order. */
const program = (smooth: boolean): DrawPart => (g, length) => {
  const { inputs, run } = drawProgram(g, { smooth, maxSteps: 6 });
  const roles = inputs.map((_, i) => (i === 0 ? 'state' : g(anyRole)));
  const having = (role: Role) => inputs.filter((_, i) => roles[i] === role);
  const states = having('state');
  const isTaken = ({ dtype, numel }: Tensor) => dtype !== 'i32' && numel > 0;
  const count = run(...inputs).filter(isTaken).reduce((sum, { numel }) => sum + numel, 0);
  const sources = states.map(({ shape }) => drawIndices(g, shape, count));
  return {
    state: states,
    inputs: having('inputs').map(({ shape }) => drawTensor(g, [length, ...shape])),
    captured: having('captured'),
    step: (given) => {
      const left = mapTree({ ...given, signal: [] }, (x) => x) as Record<Role, Tensor[]>;
      const outputs = run(...roles.flatMap((role) => left[role].shift() ?? []));
      if (count === 0) return { state: [...given.state], outputs };
      const all = concat(outputs.filter(isTaken).map((x) => x.flatten()));
      // Half of a state stays, and elements of the outputs are added.
      const state = given.state.map((h, i) =>
        all.indexSelect(0, sources[i]).add(given.signal).tanh().add(h.mul(0.5)),
      );
      return { state, outputs };
    },
  };
};

type Role = 'state' | 'inputs' | 'captured';
const anyRole = () => fc.constantFrom<Role>('state', 'inputs', 'captured');

const parts = { dense, decay, product, still, moves, nested, program: program(true) };
const jumpy = { ...parts, program: program(false) };
const anyPart = (smooth: boolean) => fc.constantFrom(...Object.entries(smooth ? parts : jumpy));
/** Mostly short, as each step of the loop is differentiated twice. */
const anyLength = () => fc.oneof(
  { weight: 2, arbitrary: fc.constant(1) },
  { weight: 6, arbitrary: fc.integer({ min: 2, max: 6 }) },
  { weight: 1, arbitrary: fc.integer({ min: 7, max: 40 }) },
);

/** A scan of random parts. */
export interface Recurrence {
  /** First states, inputs and captured tensors, f64 or i32. */
  readonly tensors: readonly Tensor[];
  /** The last states, and all outputs, for tensors like these. */
  readonly run: (through: Scan) => (...tensors: Tensor[]) => Tensor[];
  readonly text: string;
}

/** What is read of x at a time is what there was along its first axis. */
function withTimeAt(axis: number, x: Tensor): Tensor {
  const at = axis < 0 ? axis + x.ndim : axis;
  const rest = Array.from({ length: x.ndim - 1 }, (_, i) => i + 1);
  return x.permute(rest.toSpliced(at, 0, 0));
}

export function drawRecurrence(g: Draw, smooth = true): Recurrence {
  const length = g(anyLength);
  const drawn = Array.from({ length: drawInteger(g, 1, 3) }, () => {
    const [name, draw] = g(anyPart, smooth);
    return { name, ...draw(g, length) };
  });
  // Along another axis than these, numbers could not be stacked.
  const axis = drawInteger(g, -1, 0);
  const options = {
    axis, reverse: g(fc.boolean), length,
    ...(g(fc.boolean) && { checkpointEvery: drawInteger(g, 1, length + 1) }),
  };
  const isSilent = drawInteger(g, 0, 5) === 0;
  // Some tensors have no gradient, and some results are not used.
  const isConstant = Array.from({ length: 40 }, () => drawInteger(g, 0, 3) === 0);
  const isUsed = Array.from({ length: 40 }, () => drawInteger(g, 0, 3) > 0);
  const trees = {
    state: drawn.map(({ state }) => state),
    inputs: drawn.map(({ inputs }) => inputs.map((x) => withTimeAt(axis, x))),
    captured: drawn.map(({ captured }) => captured),
  };
  const run = (through: Scan) => (...tensors: Tensor[]) => {
    const left = tensors.map((x, i) => (isConstant[i] ? x.detach() : x));
    const given = mapTree(trees, () => left.shift()) as typeof trees;
    const dtype = tensors.some((x) => x.dtype === 'f32') ? 'f32' : 'f64';
    const { state, outputs } = through(
      (before: typeof trees.state, inputs: typeof trees.inputs) => {
        let signal = zeros([], { dtype });
        const results = drawn.map(({ step }, i) => {
          const own = { state: before[i], inputs: inputs[i], captured: given.captured[i], signal };
          const result = step(own, through);
          for (const x of result.state) {
            if (x.dtype !== 'i32') signal = signal.add(x.sum().mul(0.1).tanh());
          }
          return result;
        });
        const next = results.map((result) => result.state);
        if (isSilent) return { state: next };
        const output = results.map((result, i) => ({ [`of${i}`]: result.outputs }));
        return { state: next, output };
      },
      given.state, given.inputs, options,
    );
    const results = leavesOf([state, outputs]);
    return results.filter((_, i) => isUsed[i] ?? true);
  };
  const text = `${drawn.map(({ name }) => name).join(' + ')} ${JSON.stringify(options)}` +
    `${isSilent ? ', without outputs' : ''}`;
  return { tensors: leavesOf(trees), run, text };
}

/** Recurrences as fast-check draws them: a property that fails shows their parts. */
export function recurrences(smooth = true): fc.Arbitrary<Recurrence> {
  return fc.gen().map((g) => {
    const recurrence = drawRecurrence(g, smooth);
    const shapes = recurrence.tensors.map(({ dtype, shape }) => `${dtype}[${shape.join(', ')}]`);
    return {
      ...recurrence,
      [fc.toStringMethod]: () => `\n${recurrence.text}\n${shapes.join(' ')}\n`,
    };
  });
}
