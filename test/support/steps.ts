/**
 * How a random program calls each op: a line of these tables draws the arguments from the values
 * that the program has. An op without a line, or one that jumps in a program that shall be smooth,
 * is called as its row in the table of ops draws it, close to the tensors of the row.
 */
import type { ScanAlgorithm, Shape, Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { rows } from '../tensor/ops/rows.ts';
import {
  type Draw,
  drawAxes,
  drawAxis,
  drawBroadcastable,
  drawIndices,
  drawInteger,
  drawOrder,
  drawShape,
} from './draw.ts';
import { broadcasts, broadcastsTo, type Call, type Sketch, table } from './sketch.ts';

/** Draws the arguments of a call. */
type Line = (p: Sketch) => readonly unknown[];

const hasAxis = (x: Tensor) => x.ndim > 0;
const hasElements = (x: Tensor) => x.numel > 0;
const isSmall = (x: Tensor) => x.ndim < 4 && x.numel <= 32;
const isSmallWithAxis = (x: Tensor) => hasAxis(x) && isSmall(x);
const isSmallAndFilled = (x: Tensor) => isSmallWithAxis(x) && hasElements(x);

/** A line that picks a value of any dtype and draws what else there is to say for it. */
function given(
  draw: (g: Draw, x: Tensor) => readonly unknown[],
  accepts?: (x: Tensor) => boolean,
): Line {
  return (p) => {
    const x = p.pickAny(accepts);
    return [x, ...draw(p.g, x)];
  };
}

const none = (_g: Draw, _x: Tensor): readonly unknown[] => [];

/** A line that picks a value of floating dtype, brings it into a domain, and draws the rest. */
function within(
  prepare: (p: Sketch, x: Tensor) => Tensor,
  draw = none,
  accepts?: (x: Tensor) => boolean,
): Line {
  return (p) => {
    const x = prepare(p, p.pick(accepts));
    return [x, ...draw(p.g, x)];
  };
}

const asItIs = (_p: Sketch, x: Tensor) => x;
const bounded = (p: Sketch, x: Tensor) => p.bounded(x);
const positive = (p: Sketch, x: Tensor) => p.positive(x);

/** Two values that broadcast and have the same dtype. */
function pair(p: Sketch, a: Tensor = p.pickAny()): [Tensor, Tensor] {
  return [a, p.pickAny((b) => b.dtype === a.dtype && broadcasts(a.shape, b.shape))];
}

/** Arguments of a reduction: some axes, and whether they are kept. */
const reduced = (g: Draw, x: Tensor) => [drawAxes(g, x.shape), g(fc.boolean)];

/** A number between two bounds, and an axis. */
function counted(low: number, high: number) {
  return (g: Draw, x: Tensor) => [drawInteger(g, low, high), drawAxis(g, x.shape)];
}

/** A value of floating dtype, and an axis that has elements. */
function along(p: Sketch): [Tensor, number] {
  const x = p.pick((candidate) => hasAxis(candidate) && hasElements(candidate));
  return [x, drawAxis(p.g, x.shape)];
}

/** An index for gather: of any length along the axis, at most that of x elsewhere. */
function drawIndex(g: Draw, shape: Shape, axis: number): Tensor {
  const at = axis < 0 ? axis + shape.length : axis;
  const sizes = shape.map((size, other) => drawInteger(g, 0, other === at ? 4 : size));
  return drawIndices(g, sizes, shape[at]);
}

const matrix: Line = (p) => [
  p.pickAny((x) => x.ndim > 1, () => drawShape(p.g, { minRank: 2, maxRank: 3 })),
  drawInteger(p.g, -2, 2),
];

// A record, which would not be of its type if one were missing.
const algorithms: Readonly<Record<ScanAlgorithm, null>> = {
  sequential: null,
  blelloch: null,
  hillisSteele: null,
  chunked: null,
};
const algorithm = () => fc.constantFrom(...Object.keys(algorithms));
const approximation = () => fc.constantFrom('none', 'tanh');

function each(names: string, line: Line): Record<string, Line> {
  return Object.fromEntries(names.split(' ').map((name) => [name, line]));
}

type Lines = Readonly<Record<string, Line | undefined>>;

/** Ops called where they are differentiable. */
const smoothLines: Lines = {
  ...each('add sub mul', (p) => pair(p)),
  div: (p) => {
    const [a, b] = pair(p, p.pick());
    return [a, p.positive(b)];
  },
  pow: (p) => {
    const [a, b] = pair(p, p.pick());
    return [p.positive(a), p.bounded(b)];
  },
  neg: given(none),
  ...each('sin cos tanh erf sigmoid softplus silu square', within(asItIs)),
  ...each('exp expm1 log1p', within(bounded)),
  ...each('log sqrt rsqrt reciprocal', within(positive)),
  gelu: within(asItIs, (g) => [{ approximate: g(approximation) }]),
  where: (p) => {
    const [a, b] = pair(p);
    return [p.condition(a.shape), a, b];
  },
  maskedFill: (p) => {
    const x = p.pick();
    return [x, p.condition(x.shape), 0.5];
  },
  cast: (p) => [p.pick(), 'f64'],

  sum: given(reduced),
  ...each('mean logsumexp', within(asItIs, reduced, hasElements)),
  prod: within(bounded, reduced),
  var: within(
    asItIs,
    (g, x) => [drawAxes(g, x.shape), { correction: 0, keepDims: g(fc.boolean) }],
    hasElements,
  ),
  sumTo: given((g, x) => [drawBroadcastable(g, x.shape)]),
  ...each('softmax logSoftmax cumsum cumprod unbind', along),
  matmul: (p) => {
    const a = p.pick(hasAxis);
    const inner = a.shape.at(-1) ?? 1;
    const fits = (b: Tensor) =>
      (b.ndim > 1 ? b.shape.at(-2) : b.shape[0]) === inner &&
      broadcasts(a.shape.slice(0, -2), b.shape.slice(0, -2));
    return [a, p.pick(fits, () => [inner, drawInteger(p.g, 1, 3)])];
  },

  flatten: given(none),
  reshape: given((g, x) => [
    g(fc.constantFrom, [x.numel], x.shape.toReversed(), [1, ...x.shape]),
  ]),
  unsqueeze: given((g, x) => [drawInteger(g, -x.ndim - 1, x.ndim)], isSmall),
  squeeze: given((g, x) => [
    x.shape.flatMap((size, axis) => (size === 1 && g(fc.boolean) ? [axis] : [])),
  ]),
  permute: given((g, x) => [drawOrder(g, x.ndim)]),
  transpose: given((g, x) => [drawAxis(g, x.shape), drawAxis(g, x.shape)], hasAxis),
  flip: given((g, x) => [drawAxes(g, x.shape)]),
  broadcastTo: given((g, x) => {
    const sizes = x.shape.map((size) => (size === 1 ? drawInteger(g, 0, 3) : size));
    return [g(fc.boolean) ? sizes : [2, ...sizes]];
  }, isSmall),
  tile: given((g, x) => [x.shape.map(() => drawInteger(g, 0, 2))], isSmall),
  ...each('tril triu', matrix),
  ...each('split chunk', given(counted(1, 3), isSmallAndFilled)),
  repeatInterleave: given(counted(0, 2), isSmallWithAxis),
  roll: given(counted(-3, 3), hasAxis),
  slice: given((g, x) => {
    const start = x.shape.map((size) => drawInteger(g, 0, Math.min(size, 1)));
    const stop = x.shape.map((size, axis) => drawInteger(g, start[axis], size));
    return [start, stop, x.shape.map(() => drawInteger(g, 1, 2))];
  }),
  narrow: given((g, x) => {
    const axis = drawAxis(g, x.shape);
    const size = x.shape.at(axis) ?? 0;
    const start = drawInteger(g, 0, size);
    return [axis, start, drawInteger(g, 0, size - start)];
  }, hasAxis),
  pad: given((g, x) => {
    const [before, after] = [0, 0].map(() => x.shape.map(() => drawInteger(g, 0, 2)));
    const spread = x.shape.map(() => drawInteger(g, 1, 2));
    return [before, after, { value: drawInteger(g, -1, 1), spread }];
  }, isSmall),
  concat: (p) => {
    const first = p.pickAny(isSmallWithAxis);
    const axis = drawAxis(p.g, first.shape);
    const rest = (x: Tensor) => `${x.dtype} ${x.ndim} ${x.shape.toSpliced(axis, 1)}`;
    return [[first, p.pickAny((x) => rest(x) === rest(first))], axis];
  },
  stack: (p) => {
    const first = p.pickAny(isSmall);
    const fits = (x: Tensor) => x.dtype === first.dtype && `${x.shape}` === `${first.shape}`;
    return [[first, p.pickAny(fits)], drawInteger(p.g, -first.ndim - 1, first.ndim)];
  },

  gather: (p) => {
    const [x, axis] = along(p);
    return [x, axis, drawIndex(p.g, x.shape, axis)];
  },
  scatterAdd: (p) => {
    const [x, axis] = along(p);
    const index = drawIndex(p.g, x.shape, axis);
    return [x, axis, index, p.pickShaped(index.shape)];
  },
  indexSelect: (p) => {
    const [x, axis] = along(p);
    const shape = drawShape(p.g, { maxRank: 1 });
    return [x, axis, drawIndices(p.g, shape, x.shape.at(axis) ?? 0)];
  },
  linearScan: (p) => {
    const b = p.pick(hasAxis);
    const a = p.bounded(p.pick((x) => broadcastsTo(x.shape, b.shape)));
    const axis = drawAxis(p.g, b.shape);
    const initialState = p.g(fc.boolean) ? p.pickShaped(b.shape.toSpliced(axis, 1)) : undefined;
    const reverse = p.g(fc.boolean);
    return [a, b, { axis, reverse, algorithm: p.g(algorithm), initialState }];
  },
};

/** Ops whose value or gradient jumps where values meet: at a tie, at 0, at a whole number. */
const jumpyLines: Lines = {
  ...each('maximum minimum equal notEqual greater less greaterEqual lessEqual', (p) => pair(p)),
  ...each('abs sign detach isNaN', given(none)),
  ...each('relu floor ceil round isFinite', within(asItIs)),
  clamp: within(asItIs, () => [{ min: -0.5, max: 1 }]),
  cast: (p) => {
    const x = p.pick();
    return p.g(fc.boolean) ? [x, 'i32'] : [p.condition(x.shape), 'f64'];
  },
  oneHot: (p) => [drawIndices(p.g, drawShape(p.g, { maxRank: 2 }), 3), 3, 'f64'],
  ...each('max min', given(reduced, hasElements)),
  ...each('argmax argmin', (p) => [...along(p), p.g(fc.boolean)]),
  ...each('sort argsort', (p) => {
    const [x, axis] = along(p);
    return [x, { axis, descending: p.g(fc.boolean) }];
  }),
  topk: (p) => {
    const [x, axis] = along(p);
    return [x, drawInteger(p.g, 0, x.shape.at(axis) ?? 0), axis];
  },
};

/** The names in both tables. */
export const lineNames: readonly string[] = Object.keys({ ...smoothLines, ...jumpyLines });

function lineOf(name: string, smooth: boolean): Line | undefined {
  return (smooth ? undefined : jumpyLines[name]) ?? smoothLines[name];
}

/** The names of the ops that can be a step: of smooth programs, or of any. */
export function stepNames(smooth: boolean): readonly string[] {
  const hasRow = (name: string) => Object.hasOwn(rows, name) && !(smooth && rows[name].constant);
  return Object.keys(table).filter((name) => lineOf(name, smooth) !== undefined || hasRow(name));
}

/** Adds a step that calls the op of this name. */
export function addStep(p: Sketch, name: string, smooth: boolean): void {
  const line = lineOf(name, smooth);
  if (line !== undefined) {
    p.step(name, line(p));
    return;
  }
  const { inputs, apply } = rows[name].draw(p.g);
  const call: Call = (...args) => apply(...(args as Tensor[]));
  p.step(`row ${name}`, inputs.map((input) => beside(p, input)), call);
}

/**
 * A tensor of a row, moved by elements of a value: so little that it stays on the same side of
 * every kink, from which rows keep their distance.
 */
function beside(p: Sketch, input: Tensor): Tensor {
  if (input.dtype === 'i32') return input;
  const x = p.pick(hasElements);
  return p.step('beside', [input, x, drawIndices(p.g, input.shape, x.numel)], (...args) => {
    const [from, by, index] = args as Tensor[];
    return by.flatten().indexSelect(0, index).tanh().mul(5e-4).add(from);
  });
}
