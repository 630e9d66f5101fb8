/**
 * An op is tested by running it in every way in which it can run, and comparing:
 *
 *     reference        its loops stay within arrays, change no input, and give the same again
 *     float32          float32 is as near to float64 as rounding allows
 *     gradients        gradients are those of finite differences
 *     secondGradients  and so are gradients of gradients
 *     guarded          kernels stay within their memory, and their rounds need not wait for others
 *     compiled         WebAssembly and JavaScript give the same bits, near those of eager ops
 *     accuracy         functions of single numbers lose no digits, not near 0 or 1 either
 *     sizes            all of it with axes of 0 and 1 elements, and of others
 *     refusals         wrong dtypes and shapes are errors, or have a meaning for which it holds
 *
 * Nothing of it knows what the op computes: its loop is the definition.
 */
import { enableGrad } from '../autograd/autograd.ts';
import { tensor } from '../core/create.ts';
import {
  boolean, callable, checkArgument, listOf, number, oneOf, type Read, readOptions, string,
  type Table, tensorLists, tensors, whole,
} from '../core/options.ts';
import { check, describe, failure, TensorError } from '../core/shape.ts';
import { type Tensor, withMode } from '../core/tensor.ts';
import { Generator } from '../ops/random.ts';
import { checkAccuracy } from './accuracy.ts';
import { isMixed, resized, spoiled, withZeroIndices } from './cases.ts';
import { requireClose } from './compare.ts';
import { checkCompiled, checkGuarded } from './compiled.ts';
import {
  checkGradients, checkSecondGradients, leafOf, requireGradients, type Run, withGradients,
} from './derivatives.ts';
import { withGuardedLoops } from './reference.ts';

const parts = [
  'reference', 'float32', 'gradients', 'secondGradients', 'guarded', 'compiled', 'accuracy',
  'sizes', 'refusals',
] as const;

/** One of the things that `checkPrimitive` looks at. */
export type CheckPart = (typeof parts)[number];

/** Options of `checkPrimitive`. */
export interface CheckOptions {
  /** What errors call the op. Default: the name of the function, or of its primitives. */
  readonly name?: string | undefined;
  /** Whether the result is a constant to the backward pass, as that of `floor`. Default false. */
  readonly constant?: boolean | undefined;
  /** Whether compiled results are the bits of eager ones, as no sum is rounded. Default false. */
  readonly exact?: boolean | undefined;
  /**
   * The error that float32 may have, relative to the larger of 1 and the largest number of the
   * result; gradients may have ten times that. Where an element is a function of one number of
   * each input, it is relative to that element, and to what rounding the inputs makes of it.
   * Default 1e-6.
   */
  readonly tolerance?: number | undefined;
  /** The sizes that each axis gets in turn. Default [0, 1, 5]. */
  readonly sizes?: readonly number[] | undefined;
  /** Where numbers for larger shapes are drawn from. Default 0. */
  readonly seed?: number | undefined;
  /** The parts to check. Default: all. */
  readonly only?: readonly CheckPart[] | undefined;
}

const checkOptions = {
  name: string.optional(),
  constant: boolean.orElse(false),
  exact: boolean.orElse(false),
  tolerance: number({ above: 0 }).orElse(1e-6),
  sizes: listOf(whole()).orElse([0, 1, 5]),
  seed: whole().orElse(0),
  only: listOf(oneOf(...parts)).optional(),
} satisfies Table<CheckOptions>;

/** What `checkPrimitive` has looked at. */
export interface CheckReport {
  /** The inputs for which all holds, as text: 'f32[2, 3], f32[3]'. */
  readonly checked: readonly string[];
  /** The inputs that the op refuses, with a TensorError. */
  readonly refused: readonly string[];
}

/** The op that is checked. */
interface Subject extends Read<typeof checkOptions> {
  readonly name: string;
  readonly run: Run;
  readonly parts: ReadonlySet<CheckPart>;
}

/**
 * Holds an op to all that ops promise, starting from one call of it: `op` is a function of tensors
 * that gives a tensor or several, and `inputs` are f32 or f64 (taken in both), or i32, at which it
 * is differentiable: not at a kink, as |x| has at 0. A few dozen elements are enough, with sizes
 * that differ where axes do. Other sizes follow from them; an op with attributes is checked once
 * for each that matters.
 *
 *     const apply = definePrimitive<null>({ name: 'mine.square', infer, compute, gradient });
 *     checkPrimitive((x) => apply([x], null), [tensor([[-2, 0.5, 1], [3, -0.1, 0.7]])]);
 *
 * Throws a TensorError that names the op, the inputs, what was checked, the element, and what was
 * found and expected. Gives what was checked, and which inputs the op refuses: look whether it does
 * so rightly.
 */
export function checkPrimitive(
  op: (...inputs: Tensor[]) => Tensor | readonly Tensor[], inputs: readonly Tensor[],
  options: CheckOptions = {},
): CheckReport {
  checkArgument('checkPrimitive', 'op', op, callable());
  checkArgument('checkPrimitive', 'inputs', inputs, tensorLists);
  const settings = readOptions('checkPrimitive', options, checkOptions);
  const run: Run = (...given) => {
    const outputs = [op(...given)].flat();
    for (const output of outputs) checkArgument('checkPrimitive', 'a result', output, tensors);
    return outputs;
  };
  const given = inputs.map(rounded);
  return enableGrad(() => {
    const name = settings.name ?? (op.name || namesOf(run, given.map(copyOf)));
    return checkAll({ ...settings, name, run, parts: new Set(settings.only ?? parts) }, given);
  });
}

/** An f64 tensor of the numbers that float32 can hold; indices as they are. */
function rounded(x: Tensor): Tensor {
  return (x.dtype === 'i32' ? x : x.cast('f32').cast('f64')).detach();
}

/** The same numbers in an array that an op may change by mistake. */
function copyOf(x: Tensor): Tensor {
  return tensor(x.data, { shape: x.shape });
}

/** The names of the primitives that a function applies. */
function namesOf(run: Run, inputs: readonly Tensor[]): string {
  const names = new Set<string>();
  try {
    withMode('checkPrimitive', { observer: ({ name }) => names.add(name) }, () => run(...inputs));
  } catch {
    // The checks will find it out.
  }
  return [...names].join('_') || 'the op';
}

function checkAll(subject: Subject, inputs: readonly Tensor[]): CheckReport {
  const report = { checked: [] as string[], refused: [] as string[] };
  const { parts, sizes, seed } = subject;
  const given = inputs.map(singleOf);
  checkCase(subject, inputs);
  if (parts.has('accuracy')) {
    inCheck(subject, given, 'accuracy', () =>
      checkAccuracy(subject.run, inputs, subject.tolerance),
    );
  }
  report.checked.push(textOf(given));
  for (const other of parts.has('sizes') ? resized(inputs, sizes, seed) : []) {
    const taken = [other, withZeroIndices(other)].find((each) => isTaken(subject, each));
    if (taken) checkCase(subject, taken);
    (taken ? report.checked : report.refused).push(textOf(other.map(singleOf)));
  }
  for (const other of parts.has('refusals') ? spoiled(given, seed) : []) {
    const taken = isTaken(subject, other);
    if (taken) checkTaken(subject, other);
    (taken ? report.checked : report.refused).push(textOf(other));
  }
  return report;
}

function singleOf(x: Tensor): Tensor {
  return x.dtype === 'i32' ? x : x.cast('f32');
}

function textOf(inputs: readonly Tensor[]): string {
  return inputs.map(describe).join(', ');
}

/** Whether the op takes inputs; throws unless it says by a TensorError why it does not. */
function isTaken(subject: Subject, inputs: readonly Tensor[]): boolean {
  try {
    subject.run(...inputs.map(copyOf));
    return true;
  } catch (error) {
    if (error instanceof TensorError) return false;
    return inCheck(subject, inputs, 'wrong inputs', () => {
      throw failure`it throws ${String(error)}, expected a TensorError that says what is wrong`;
    });
  }
}

/** Runs a part of the check; an error is one about the op and these inputs. */
function inCheck<T>(
  { name }: Subject, inputs: readonly Tensor[], what: string, body: () => T,
): T {
  try {
    return body();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const text = `checkPrimitive: ${name}(${textOf(inputs)}): ${what}: ${message}`;
    throw Object.assign(new TensorError(text), { cause: error });
  }
}

/** Checks inputs of other dtypes or shapes than were given, which the op takes. */
function checkTaken(subject: Subject, inputs: readonly Tensor[]): void {
  inCheck(subject, inputs, 'wrong inputs', () => {
    check(!isMixed(inputs))`it takes f32 beside f64, expected an error; requireSameDType gives one`;
  });
  const asDouble = inputs.map((input) => (input.dtype === 'i32' ? input : input.cast('f64')));
  const isSmooth = inCheck(subject, inputs, 'values', () =>
    subject.run(...asDouble.map((input) => leafOf(input, 'f64'))).some((y) => y.requiresGrad),
  );
  const parts = [...subject.parts].filter((part) => part !== 'secondGradients');
  checkCase({ ...subject, constant: !isSmooth, parts: new Set(parts) }, asDouble, inputs);
}

/** Checks the op for inputs, of which floats are f64, and named as they were given. */
function checkCase(
  subject: Subject, inputs: readonly Tensor[], given: readonly Tensor[] = inputs.map(singleOf),
): void {
  const { run, constant, exact, seed } = subject;
  const within = <T>(what: string, body: () => T): T => inCheck(subject, given, what, body);
  const [singles, doubles] = (['f32', 'f64'] as const).map((dtype) =>
    inputs.map((input) => leafOf(input, dtype)),
  );
  const body = constant ? run : withGradients(run);
  const isSmooth = within('values', () => {
    const outputs = run(...doubles);
    requireGradients(outputs, constant);
    return outputs.some(({ requiresGrad }) => requiresGrad);
  });
  const checks: Partial<Record<CheckPart, () => void>> = {
    reference: () => withGuardedLoops(singles, () => body(...singles)),
    float32: () => checkSingle(subject, body, singles, doubles),
    ...(isSmooth && {
      gradients: () => checkGradients(run, inputs),
      secondGradients: () => checkSecondGradients(run, inputs, new Generator(seed)),
    }),
    guarded: () => checkGuarded({ body, inputs: singles, exact }),
    compiled: () => checkCompiled({ body, inputs: singles, exact }),
  };
  for (const [part, runPart] of Object.entries(checks)) {
    if (subject.parts.has(part as CheckPart)) within(part, runPart);
  }
}

function checkSingle(
  { run, tolerance }: Subject, body: (...inputs: Tensor[]) => readonly (Tensor | undefined)[],
  singles: readonly Tensor[], doubles: readonly Tensor[],
): void {
  const [found, expected] = [run(...singles), run(...doubles)];
  found.forEach((x, i) => {
    const y = expected[i];
    const isDouble = doubles.every(({ dtype }) => dtype === 'i32') || y.dtype !== 'f32';
    const isRight = (x.dtype === 'i32') === (y.dtype === 'i32') && isDouble;
    check(isRight)`result ${i} is ${describe(x)} in float32, and ${describe(y)} of float64 inputs;
      expected the dtype of the inputs, or i32 in both`;
  });
  requireClose('in float32', found, expected, tolerance);
  requireClose('in float32', body(...singles), body(...doubles), 10 * tolerance);
}
