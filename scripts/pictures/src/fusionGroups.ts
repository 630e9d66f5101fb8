/**
 * From a program to its kernels: on the left the ops that the trace recorded and the passes kept,
 * on the right the kernel of each, which is a fusion group. A value that another kernel reads, or
 * another sweep of the same rows, goes through memory; any other stays in registers.
 */
import { compile, type Inspection, type KernelReport, ones, type Tensor } from '@mambagrad/tensor';
import { box, type Color, line, type Mark, picture, text, WIDTH } from './kit.ts';

/** A program that has been called. */
export interface FusionGroupsOptions {
  readonly program?: Pick<Inspection, 'listing' | 'kernels'>;
}

/** A small network, with a softmax on top. */
export function network(
  without: readonly 'group'[] = [],
): Pick<Inspection, 'listing' | 'kernels'> {
  const f = compile((x: Tensor, w: Tensor, b: Tensor, v: Tensor) =>
    x.matmul(w).add(b).relu().matmul(v).softmax(-1), { without });
  f(ones([64, 32]), ones([32, 32]), ones([32]), ones([32, 8]));
  return f;
}

/** An op of a listing: its results and inputs by name, and the bytes of all of these. */
interface Op {
  readonly name: string;
  readonly result: string;
  readonly inputs: readonly string[];
  readonly bytes: number;
}

/** The ops of a listing, whose lines are `%2 = mul(%0, %1)  f32[2]`. */
function opsOf(listing: string): Op[] {
  const bytes = new Map<string, number>();
  return listing.split('\n').flatMap((entry) => {
    const [, result, made, shape] = /^(%\d+) = (.*) {2}\w+\[(.*)\]$/.exec(entry) ?? [];
    if (result === undefined) return [];
    const sizes = shape.split(', ').filter((size) => size !== '').map(Number);
    bytes.set(result, 4 * sizes.reduce((product, size) => product * size, 1));
    const [, name, given] = /^(\w+)\((.*)\)$/.exec(made) ?? [];
    if (name === undefined) return [];
    const inputs = Array.from(given.matchAll(/%\d+/g), ([input]) => input);
    const sizesOf = [result, ...new Set(inputs)].map((one) => bytes.get(one) ?? 0);
    return [{ name, result, inputs, bytes: sizesOf.reduce((sum, size) => sum + size) }];
  });
}

/** The kernel of each op: a kernel names its ops, each after those whose results it takes. */
function kernelOf(ops: readonly Op[], kernels: readonly KernelReport[]): number[] {
  const found = ops.map(() => -1);
  kernels.forEach((kernel, k) => kernel.ops.forEach((name) => {
    const i = ops.findIndex((op, place) => op.name === name && found[place] < 0);
    if (i < 0) throw new Error(`fusionGroups: kernel ${k} has the op ${name}, the listing no more`);
    found[i] = k;
  }));
  if (found.includes(-1)) throw new Error('fusionGroups: an op is in no kernel');
  return found;
}

const [TOP, ROW, GAP, LEFT, MIDDLE] = [64, 25, 22, 14, 232];
const colors: readonly Color[] = ['c0', 'c2', 'c3', 'c4', 'c1'];

/** Draws the ops in the order of the kernels, each group with its kernel. */
export function draw({ program = network() }: FusionGroupsOptions = {}): string {
  const [ops, kernels] = [opsOf(program.listing()), program.kernels()];
  const groups = kernelOf(ops, kernels);
  const alone = ops.reduce((sum, { bytes }) => sum + bytes, 0);
  const fused = kernels.reduce((sum, { bytes }) => sum + bytes, 0);
  let y = TOP;
  const marks = kernels.flatMap((kernel, k) => {
    const own = ops.filter((_, i) => groups[i] === k);
    const panel = drawGroup(own, kernel, k, y);
    y += Math.max(own.length * ROW, 62) + GAP;
    return panel;
  });
  const words = `op by op ${kilobytes(alone)}, fused ${kilobytes(fused)}`;
  return picture({
    height: y + 22,
    title: `${ops.length} ops in ${kernels.length} kernels`,
    description: kernels.map((kernel, k) => `Kernel ${k}: ${kernel.ops.join(', ')}`).join('. ') +
      `. Bytes read and written: ${words}.`,
  }, [
    text(LEFT, 20, `${ops.length} ops`, { class: 'bold' }),
    text(MIDDLE + 24, 20, `${kernels.length} kernels`, { class: 'bold' }),
    text(LEFT, 44, 'in bold: goes through memory', { class: 'small', color: 'quiet' }),
    ...marks,
    text(LEFT, y + 4, `bytes read and written: ${words}`, { class: 'small' }),
  ]);
}

const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} KB`;

/** The ops of a group, and its kernel beside them. */
function drawGroup(ops: readonly Op[], kernel: KernelReport, k: number, top: number): Mark[] {
  const color = colors[k % colors.length];
  const written = new Set(kernel.writes.map(({ name }) => name));
  const height = Math.max(ops.length * ROW, 62);
  const place = { x: MIDDLE + 24, y: top, width: WIDTH - MIDDLE - 38, height };
  const middle = top + height / 2;
  const notes = [`kernel ${k}`, `${kilobytes(kernel.bytes)}`];
  return [
    box({ x: LEFT, y: top, width: MIDDLE - LEFT, height }, {
      outline: color, radius: 6, class: 'thin',
    }),
    ...ops.map(({ name, result, inputs }, i) => {
      const y = top + height * (i + 0.5) / ops.length;
      const look = written.has(result) ? { class: 'code bold', color: 'ink' } as const
        : { class: 'code', color: 'quiet' } as const;
      return text(LEFT + 8, y, `${result} = ${name}(${inputs.join(', ')})`, look);
    }),
    line([[MIDDLE, middle], [MIDDLE + 24, middle]], { color }),
    box(place, { outline: color, fill: color, radius: 6 }),
    ...notes.map((note, i) => text(place.x + place.width / 2, middle - 10 + 20 * i, note, {
      anchor: 'middle', class: i === 0 ? 'bold' : 'small',
    })),
  ];
}
