/**
 * The check of lowerings. A lowering is written by whoever adds an op, and what is wrong with it
 * shows far from there: in the kernel that it became a part of, or in wrong numbers. So each is
 * looked at when it is given, and what its functions read and give when they are called; errors
 * name the op.
 */
import { asList } from '@mambagrad/wasm';
import type * as k from '@mambagrad/kernel';
import type {
  Bound, Elements, Epilogue, Index, Lowering, SharedKernel,
} from './lowering.ts';
import {
  boolean, callable, checkArgument, Kind, listOf, objectWith, type Read, readOptions, show, whole,
} from './options.ts';
import {
  broadcastsTo, check, failure, reducedShape, sameShape, type Shape, type Spec, TensorError,
} from './shape.ts';

/** An op as errors name it, and what it is applied to. */
interface Call {
  readonly where: string;
  readonly inputs: readonly Spec[];
}

/** One of its results. */
interface Applied extends Call {
  readonly output: Spec;
}

type OfKind<Name> = Extract<Lowering, Readonly<Record<Name & string, unknown>>>;

/** A kernel of one result or several. */
export type CheckedKernel = Omit<OfKind<'kernel'>, 'kernel'> & {
  readonly kernel: (
    inputs: readonly Elements[], outputs: readonly k.Buffer[], epilogue: Epilogue | undefined,
  ) => k.Statements;
};

/** The lowering of one result; a kernel may write others, too. */
export type CheckedLowering = Exclude<Lowering, OfKind<'kernel'>> | CheckedKernel;

const bounds = new Kind<Bound>(
  '{ input, size }, two whole numbers',
  (x) => {
    const { input, size } = Object(x) as Partial<Bound>;
    return whole().accepts(input) && whole().accepts(size);
  },
);
const reductions = objectWith<k.Reduction>('{ combine, identity }', 'combine');

const tables = {
  map: { map: callable<OfKind<'map'>['map']>().required() },
  move: { move: callable<OfKind<'move'>['move']>().required(), offset: whole().optional() },
  element: {
    element: callable<OfKind<'element'>['element']>().required(),
    isCheap: boolean.orElse(false),
    bound: bounds.optional(),
  },
  fold: { fold: reductions.required(), axes: listOf(whole()).required() },
  kernel: {
    kernel: callable<OfKind<'kernel'>['kernel']>().required(),
    bound: bounds.optional(),
    supportsEpilogue: boolean.orElse(false),
  },
};

const sharedKernelOptions = {
  kernel: callable<SharedKernel['kernel']>().required(),
  bound: bounds.optional(),
};

/** One of the tables, as it is read. */
type Given<Name extends keyof typeof tables> = Read<(typeof tables)[Name]>;

/**
 * The lowerings that an op gave, one for each of its results, with functions that are checked when
 * they are called; the same one for all if one kernel writes them. Throws if these are none, or do
 * not fit what the op is applied to.
 */
export function checkLowerings(
  op: string, inputs: readonly Spec[], outputs: readonly Spec[], given: unknown,
): CheckedLowering[] {
  const where = `lowering of ${op}`;
  if (!Array.isArray(given)) {
    const shared = checkSharedKernel({ where, inputs }, given);
    return outputs.map(() => shared);
  }
  check(given.length === outputs.length)`${where}: it has ${given.length} for the
    ${outputs.length} results; expected one for each, or a kernel for all`;
  return outputs.map((output, i) => {
    const which = outputs.length > 1 ? `, result ${i}` : '';
    return checkLowering({ where: `${where}${which}`, inputs, output }, given[i]);
  });
}

/** The lowering of one result. */
function checkLowering(applied: Applied, given: unknown): CheckedLowering {
  const { where } = applied;
  const kinds = Object.keys(tables) as (keyof typeof tables)[];
  const found = kinds.filter((kind) => Object(given) === given && kind in Object(given));
  check(found.length <= 1)`${where}: it has ${found.join(' and ')}, expected one of them`;
  const [kind] = found;
  if (kind === 'map') return checkMap(applied, readOptions(where, given, tables.map));
  if (kind === 'move') return checkMove(applied, readOptions(where, given, tables.move));
  if (kind === 'element') return checkElement(applied, readOptions(where, given, tables.element));
  if (kind === 'fold') return checkFold(applied, readOptions(where, given, tables.fold));
  if (kind === 'kernel') return checkKernel(applied, readOptions(where, given, tables.kernel));
  const every = Object.assign({}, ...Object.values(tables)) as Parameters<typeof readOptions>[2];
  const optional = Object.entries(every).map(([key, entry]) => [key, entry.kind.optional()]);
  readOptions(where, given, Object.fromEntries(optional));
  throw new TensorError(`${where}: it is ${show(given)}, expected one with ${kinds.join(', ')}`);
}

function checkMap(applied: Applied, { map }: Given<'map'>): CheckedLowering {
  const { where, inputs, output } = applied;
  inputs.forEach((input, i) => {
    check(broadcastsTo(input.shape, output.shape))`${where}: a map is of elements at the same place,
      but input ${i}, ${input}, does not broadcast to the result, ${output}`;
  });
  return { map: (...elements) => run(applied, 'map', () => map(...elements)) };
}

function checkMove(applied: Applied, { move, offset }: Given<'move'>): CheckedLowering {
  const [input] = requireOne(applied, 'move');
  return {
    move: (index) => {
      const moved = named(applied, () => move(index));
      checkIndex(applied, 'move gives', moved, input.shape);
      return moved;
    },
    offset,
  };
}

function checkElement(
  applied: Applied, { element, isCheap, bound }: Given<'element'>,
): CheckedLowering {
  return {
    element: (index, ...inputs) =>
      run(applied, 'element', () => element(index, ...checkedInputs(applied, inputs))),
    isCheap,
    ...checkBound(applied, bound),
  };
}

function checkFold(applied: Applied, { fold, axes }: Given<'fold'>): CheckedLowering {
  const { where, output } = applied;
  const [{ shape }] = requireOne(applied, 'fold');
  const isRight = axes.every((axis, i) => axis < shape.length && axes.indexOf(axis) === i);
  check(isRight)`${where}: axes are ${axes}, expected different ones of the ${shape.length} of
    ${shape}`;
  const isLeft = [true, false].some((keepDims) =>
    sameShape(output.shape, reducedShape(shape, axes, keepDims)),
  );
  check(isLeft)`${where}: a fold of ${shape} along axes ${axes} does not give the result's shape,
    ${output.shape}`;
  checkArgument(where, 'fold.identity', fold.identity, identities);
  return { fold, axes };
}

const identities = new Kind<number>('a number', (x) => typeof x === 'number');

function checkKernel(
  applied: Applied, { kernel, bound, supportsEpilogue }: Given<'kernel'>,
): CheckedLowering {
  const { output } = applied;
  const checked = (epilogue: Epilogue): Epilogue => (index, value) => {
    checkIndex(applied, 'kernel finishes', index, output.shape);
    return epilogue(index, value);
  };
  return {
    kernel: (inputs, [buffer], epilogue) =>
      named(applied, () =>
        kernel(asList(checkedInputs(applied, inputs)), buffer, epilogue && checked(epilogue)),
      ),
    supportsEpilogue,
    ...checkBound(applied, bound),
  };
}

function checkSharedKernel(call: Call, given: unknown): CheckedKernel {
  const { kernel, bound } = readOptions(call.where, given, sharedKernelOptions);
  return {
    kernel: (inputs, outputs) =>
      named(call, () => kernel(asList(checkedInputs(call, inputs)), asList(outputs))),
    ...checkBound(call, bound),
  };
}

function checkBound(
  { where, inputs }: Call, bound: Bound | undefined,
): { readonly bound?: Bound } {
  if (bound === undefined) return {};
  const { input } = bound;
  const isRight = inputs[input]?.dtype === 'i32';
  check(isRight)`${where}: bound is of input ${input}, expected that of one of the ${inputs.length}
    inputs, with i32 elements`;
  return { bound };
}

function requireOne({ where, inputs }: Call, kind: string): readonly Spec[] {
  check(inputs.length === 1)`${where}: a ${kind} has one input, and there are ${inputs.length}`;
  return inputs;
}

/** The inputs, which look at each index by which they are read. */
function checkedInputs(applied: Call, inputs: readonly Elements[]): Elements[] {
  return inputs.map((input, i) => ({
    ...input,
    at: (index) => {
      checkIndex(applied, `it reads input ${i} at`, index, input.shape);
      return input.at(index);
    },
  }));
}

function checkIndex({ where }: Call, what: string, index: unknown, shape: Shape): void {
  // Indices are checked by the thousand, so what errors show is only made where there is one.
  if (!Array.isArray(index)) {
    throw failure`${where}: ${what} ${show(index)}, expected an index of ${shape.length} positions`;
  }
  const positions = index as Index;
  if (positions.length !== shape.length) {
    throw failure`${where}: ${what} an index of ${positions.length} positions,
      expected ${shape.length}, one for each axis of ${shape}`;
  }
  let wrong = 0;
  while (wrong < positions.length && isPosition(positions[wrong])) wrong++;
  if (wrong === positions.length) return;
  throw failure`${where}: ${what} an index whose position ${wrong} is ${textOf(positions[wrong])},
    expected a whole number or an i32 of the loop language`;
}

function isPosition(position: k.Operand): boolean {
  return typeof position === 'number' ? Number.isInteger(position) : isValue(position, 'i32');
}

function isValue(given: unknown, dtype: string): boolean {
  return Object(given) === given && String((given as Partial<k.Expr>).type).startsWith(dtype);
}

function textOf(given: unknown): string {
  const { node, type } = Object(given) as Partial<k.Expr>;
  return node === undefined ? show(given) : `of the type ${type}`;
}

/** What a function of a lowering gives for an element of the result. */
function run(applied: Applied, kind: string, compute: () => k.Expr): k.Expr {
  const { where, output: { dtype } } = applied;
  const value = named(applied, compute);
  if (isValue(value, dtype)) return value;
  throw failure`${where}: ${kind} gives ${textOf(value)}, expected an ${dtype} of the loop
    language`;
}

/** Runs a function of a lowering; what it throws is said in the op's name. */
function named<T>({ where }: Call, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof TensorError || !(error instanceof Error)) throw error;
    throw Object.assign(new TensorError(`${where}: ${error.message}`), { cause: error });
  }
}
