/**
 * Loop nests before and after fusion, in the loop language. An op by itself is a kernel that reads
 * what the one before has written, and writes it again. In one kernel a value stays in a register
 * from one op to the next.
 */
import { compile, type KernelReport, ones, type Tensor } from '@mambagrad/tensor';
import { arrow, box, CHARACTER, type Mark, picture, text, WIDTH } from './kit.ts';

/** The ops, by their text: each takes the result of the one before, and an input of its own. */
export interface LoopNestsOptions {
  readonly ops?: Readonly<Record<string, (x: Tensor, other: Tensor) => Tensor>>;
  /** The shape of x; others are a row of it. */
  readonly shape?: readonly [rows: number, columns: number];
}

/** The ops of the picture, by their text. */
export const examples: Readonly<Record<string, (x: Tensor, other: Tensor) => Tensor>> = {
  'x.mul(w)': (x: Tensor, w: Tensor) => x.mul(w),
  '.add(b)': (x: Tensor, b: Tensor) => x.add(b),
  '.square()': (x: Tensor) => x.square(),
};

const LINE = 19;

/** Draws the kernels of the ops, and below them the one of all. */
export function draw({ ops = examples, shape = [100, 64] }: LoopNestsOptions = {}): string {
  const list = Object.values(ops);
  // Each op has a row of its own: one tensor given twice would be one argument.
  const [x, rows] = [ones(shape), list.map(() => ones(shape.slice(1)))];
  const alone = list.flatMap((op, i) =>
    kernelsOf((input, other) => op(input, other), [x, rows[i]]));
  const all = (input: Tensor, ...others: Tensor[]): Tensor =>
    list.reduce((y, op, i) => op(y, others[i]), input);
  const together = kernelsOf(all, [x, ...rows]);
  const before = panel('op by op', alone, 36, 'c1');
  const after = panel('fused', together, before.bottom + 40, 'c2');
  const middle = before.bottom + 20;
  return picture({
    height: after.bottom + 12,
    title: 'Loop nests before and after fusion',
    description: `${describe('Op by op', alone)}. ${describe('Fused', together)}.`,
  }, [
    text(14, 22, `y = ${Object.keys(ops).join('').replace(/^\./, 'x.')}`, { class: 'code' }),
    ...before.marks,
    arrow([[WIDTH / 2, middle - 12], [WIDTH / 2, middle + 14]], { color: 'quiet' }),
    ...after.marks,
  ]);
}

/** The kernels of a compiled function. Its inputs are given as arguments. */
function kernelsOf(
  f: (x: Tensor, ...others: Tensor[]) => Tensor, inputs: readonly Tensor[],
): KernelReport[] {
  // Without fused multiply-add, which not every engine has, the text is the same everywhere.
  const compiled = compile(f, { deterministic: true });
  compiled(...inputs as [Tensor, ...Tensor[]]);
  return compiled.kernels();
}

const bytesOf = (kernels: readonly KernelReport[]): number =>
  kernels.reduce((sum, { bytes }) => sum + bytes, 0);

function describe(name: string, kernels: readonly KernelReport[]): string {
  const texts = kernels.map(({ text: lines = '' }) => lines.replace(/\s+/g, ' '));
  return `${name}, ${kernels.length} kernels touch ${bytesOf(kernels)} bytes: ${texts.join(' | ')}`;
}

/** Kernels as text, each in a box. */
function panel(
  name: string, kernels: readonly KernelReport[], top: number, color: 'c1' | 'c2',
): { marks: Mark[]; bottom: number } {
  let y = top + 34;
  const marks = kernels.flatMap(({ text: code = '' }) => {
    // Without the head, which lists buffers by the names of the loop language.
    const lines = code.trimEnd().split('\n').slice(1).flatMap((line) => wrapped(line.slice(2)));
    const place = { x: 14, y, width: WIDTH - 28, height: lines.length * LINE + 10 };
    y += place.height + 7;
    return [
      box(place, { outline: color, fill: color, radius: 6, class: 'thin' }),
      ...lines.map((line, i) => text(22, place.y + 15 + i * LINE, line, { class: 'code' })),
    ];
  });
  const thousands = `${(bytesOf(kernels) / 1000).toFixed(1)} KB`;
  const nests = kernels.length === 1 ? 'loop nest' : 'loop nests';
  const size = `${kernels.length} ${nests}, ${thousands}`;
  return {
    marks: [
      text(14, top + 16, name, { class: 'small bold' }),
      text(WIDTH - 14, top + 16, size, { anchor: 'end', class: 'small', color }), ...marks,
    ],
    bottom: y - 7,
  };
}

/** The most characters of a line that fit. */
const MOST = Math.floor((WIDTH - 44) / CHARACTER);

/** A line of code; what does not fit goes on in the next line, further in. */
function wrapped(line: string): string[] {
  if (line.length <= MOST) return [line];
  const end = line.lastIndexOf(' ', MOST);
  const indent = ' '.repeat(line.search(/\S/) + 4);
  return [line.slice(0, end), ...wrapped(indent + line.slice(end + 1))];
}
