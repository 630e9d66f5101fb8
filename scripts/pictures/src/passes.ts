/**
 * The passes of the compiler, op by op: the trace from top to bottom, and beside each op the pass
 * that removes it, or the kernel that computes it in the end. The program is a gradient, as a
 * backward pass leaves much that nobody needs: the loss itself, for one.
 */
import { grad, ones, type Tensor } from '@mambagrad/tensor';
import { inspectPasses, type Pass, type PassedOp } from '@mambagrad/tensor/extend';
import { box, type Color, line, type Mark, number, picture, text, WIDTH } from './kit.ts';

/** The passes to leave out, and the program: a function, and its arguments by name. */
export interface PassesOptions {
  readonly without?: readonly Pass[];
  readonly program?: (inputs: Readonly<Record<string, Tensor>>) => unknown;
  readonly inputs?: Readonly<Record<string, Tensor>>;
}

const examples = { x: ones([64, 32]), w: ones([32, 8], { requiresGrad: true }), t: ones([64, 8]) };

/** The gradient of a mean squared error. */
const gradient = ({ x, w, t }: Readonly<Record<string, Tensor>>): readonly Tensor[] =>
  grad(x.matmul(w).tanh().sub(t).square().mean(), [w]);

/** The passes over the program, in order, with the mark of what each removes. */
const passes: readonly { name: Pass; title: string; color: Color }[] = [
  { name: 'share', title: 'common subexpressions', color: 'c1' },
  { name: 'fold', title: 'constants folded', color: 'c3' },
  { name: 'drop', title: 'dead code', color: 'quiet' },
];
const kernelColors: readonly Color[] = ['c0', 'c2', 'c4'];

const [ROW, LEFT, NOTE] = [21, 14, 222];

/** Draws the trace, what each pass removes, and the kernels. */
export function draw(options: PassesOptions = {}): string {
  const { without = [], program = gradient, inputs = examples } = options;
  const { ops, kernels } = inspectPasses(program, [inputs], { without, deterministic: true });
  const labels = labelsOf(ops, Object.keys(inputs));
  const top = 52 + 20 * passes.length;
  const rows = ops.flatMap((op, i) => drawOp(op, labels, top + i * ROW));
  const kept = ops.filter(({ removedBy }) => removedBy === undefined).length;
  const count = (name: Pass): number => ops.filter(({ removedBy }) => removedBy === name).length;
  const summary = `${ops.length} ops are traced, ${kept} are kept, in ${kernels.length} kernels`;
  return picture({
    height: top + ops.length * ROW + 12,
    title: summary,
    description: ops.map((op) => `${labels.get(op.name)} = ${callOf(op, labels)}: ` +
      (op.removedBy === undefined ? kernelNames(op) : noteOf(op, labels))).join('; '),
  }, [
    text(LEFT, 20, summary, { class: 'bold' }),
    ...passes.flatMap(({ name, title, color }, i) => {
      const y = 46 + 20 * i;
      const words = without.includes(name) ? 'left out' : `−${count(name)}`;
      return [
        box({ x: LEFT, y: y - 6, width: 12, height: 12 }, {
          outline: color, fill: color, class: 'thin',
        }),
        text(LEFT + 20, y, title, { class: 'small' }),
        text(NOTE, y, words, { class: 'small', color }),
      ];
    }),
    text(WIDTH - 14, 46 + 20 * (passes.length - 1), 'kernel', {
      class: 'small', color: 'quiet', anchor: 'end',
    }),
    ...rows,
  ]);
}

/** The names of values: those of the inputs, and numbers from 1 for the results of ops. */
function labelsOf(ops: readonly PassedOp[], inputs: readonly string[]): Map<string, string> {
  const labels = new Map(ops.map(({ name }, i) => [name, `%${i + 1}`]));
  const outside = new Set(ops.flatMap((op) => op.inputs).filter((name) =>
    name.startsWith('%') && !labels.has(name)));
  // Values from outside are numbered in the order in which ops read them, as the arguments are.
  [...outside].forEach((name, i) => labels.set(name, inputs[i] ?? name));
  return labels;
}

function callOf({ op, inputs }: PassedOp, labels: ReadonlyMap<string, string>): string {
  return `${op}(${inputs.map((name) => labels.get(name) ?? shortened(name)).join(', ')})`;
}

/** A number, a fraction with few digits. */
const shortened = (digits: string): string =>
  Number.isInteger(Number(digits)) ? digits : number(Number(digits), 2);

/** What became of an op that was removed. */
function noteOf({ removedBy, replacement }: PassedOp, labels: ReadonlyMap<string, string>): string {
  if (removedBy === 'drop' || replacement === undefined) return 'not used';
  return `is ${labels.get(replacement) ?? shortened(replacement)}`;
}

const kernelNames = ({ kernels }: PassedOp): string =>
  kernels.length === 0 ? 'no kernel' : `kernel ${kernels.join(', ')}`;

function drawOp(op: PassedOp, labels: ReadonlyMap<string, string>, top: number): Mark[] {
  const { name, removedBy, kernels } = op;
  const middle = top + ROW / 2;
  const pass = passes.find((each) => each.name === removedBy);
  const words = `${labels.get(name)} = ${callOf(op, labels)}`;
  const head = [line([[LEFT, top], [WIDTH - LEFT, top]], { class: 'thin' })];
  if (pass !== undefined) {
    const { color } = pass;
    return [
      ...head, text(LEFT, middle, words, { class: 'code', color: 'quiet' }),
      line([[LEFT, middle], [LEFT + 7.9 * words.length, middle]], { color }),
      text(NOTE, middle, noteOf(op, labels), { class: 'small', color }),
    ];
  }
  return [
    ...head, text(LEFT, middle, words, { class: 'code' }),
    // Without dead code elimination no kernel computes what nobody reads, all the same.
    kernels.length > 0 ? '' : text(NOTE, middle, 'in no kernel', {
      class: 'small', color: 'quiet',
    }),
    ...kernels.map((kernel, i) => {
      const color = kernelColors[kernel % kernelColors.length];
      const x = WIDTH - 14 - 26 * (kernels.length - i);
      const place = { x, y: top + 1, width: 24, height: ROW - 1 };
      return box(place, { fill: color, radius: 3 }) +
        text(place.x + 12, middle, String(kernel), { anchor: 'middle', class: 'small', color });
    }),
  ];
}
