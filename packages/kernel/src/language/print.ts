/**
 * A kernel as text, one statement a line. `x[i:4]` is four elements from x[i] on, and `let` marks
 * the first assignment of a variable.
 */
import { Names } from '@mambagrad/wasm';
import type { Buffer, Expr, Index } from './expression.ts';
import type { Kernel } from './kernel.ts';
import { isContiguous } from './memory.ts';
import type { Assign, Loop, Statement, When } from './statement.ts';

/** How statements are written. A loop or a branch is a head, the lines inside it, and an end. */
export interface Notation {
  assign(one: Assign): readonly string[];
  loop(one: Loop): string;
  when(one: When): string;
  readonly otherwise: string;
  readonly end: readonly string[];
}

/** The lines of a block, indented. Names are local to the block in which they first occur. */
export function linesOf(body: readonly Statement[], names: Names, how: Notation): string[] {
  const blockOf = (one: Loop | When): string[] => {
    const head = one.statement === 'loop' ? how.loop(one) : how.when(one);
    const [first, otherwise = []] = one.bodies.map((inside) => linesOf(inside, names, how));
    const last = otherwise.length === 0 ? [] : [how.otherwise, ...otherwise];
    return [head, ...first, ...last, ...how.end];
  };
  const lines = names.within(() => body.flatMap((one) => (
    one.statement === 'assign' ? how.assign(one) : names.within(() => blockOf(one))
  )));
  return lines.map((line) => `  ${line}`);
}

/** The sum of the terms of an index, with further parts before them and a constant at the end. */
export function sumOf(
  before: readonly string[], { terms }: Index, constant: number, text: (of: Expr) => string,
): string {
  const products = terms.map(({ of, times }) => `${times === 1 ? '' : `${times} * `}${text(of)}`);
  const parts = [...before, ...products];
  const all = constant === 0 && parts.length > 0 ? parts : [...parts, constant];
  return all.join(' + ').replaceAll('+ -', '- ');
}

/** The kernel as readable text. */
export function printKernel(kernel: Kernel): string {
  const names = new Names();
  const describe = (one: Buffer): string => `${names.of(one)}: ${one.kind}[${one.length}]`;
  const parameters = kernel.parameters.map((one) => (
    'node' in one ? `${names.of(one)}: ${one.type}` : describe(one)
  ));
  const own = [...new Set([...kernel.reads, ...kernel.writes])].filter(
    (one) => !kernel.parameters.includes(one),
  );
  const text = (value: Expr): string => textOf(value, names);
  return [
    `kernel ${kernel.name}(${parameters.join(', ')})`,
    ...own.map((one) => `  ${describe(one)} ${one.isScratch ? 'scratch' : `at ${one.at}`}`),
    ...linesOf(kernel.body, names, {
      assign({ target, values: [value] }) {
        const isFirst = target.node === 'variable' && !names.has(target);
        const place = text(target);
        return [`${isFirst ? `let ${place}: ${target.type}` : place} = ${text(value)}`];
      },
      loop({ counter, values: [from, to], step, isParallel }) {
        const range = `${text(from)}..${text(to)}${step === 1 ? '' : ` step ${step}`}`;
        return `${isParallel ? 'parallel ' : ''}for ${names.of(counter)} in ${range}`;
      },
      when: ({ values: [condition] }) => `if ${text(condition)}`,
      otherwise: 'else',
      end: [],
    }),
  ].join('\n');
}

function textOf(value: Expr, names: Names, isInner = false): string {
  if (value.node === 'constant') return formatNumber(value.value, value.type.startsWith('f32'));
  if (value.node === 'variable') return names.of(value);
  if (value.node === 'load') {
    const { buffer, index } = value;
    const sum = sumOf([], index, index.constant, (of) => textOf(of, names, true));
    const lanes = isContiguous(index) ? ':4' : `:4 by ${index.step}`;
    return `${names.of(buffer)}[${sum}${index.step === 0 ? '' : lanes}]`;
  }
  const { name, inputs, detail, meaning: { sign } } = value;
  if (name === 'splat') return textOf(inputs[0], names, isInner);
  const operands = inputs.map((input) => textOf(input, names, sign !== undefined));
  if (sign === undefined) return `${name}(${[...operands, ...detail].join(', ')})`;
  const text = [...operands, ...detail].join(` ${sign} `);
  return isInner ? `(${text})` : text;
}

/** A number; an f32 (`isFloat32`) with as few digits as tell it from other float32 numbers. */
export function formatNumber(value: number, isFloat32: boolean): string {
  const short = [6, 7, 8].map((digits) => Number(value.toPrecision(digits)));
  const exact = short.find((one) => isFloat32 && Math.fround(one) === value) ?? value;
  return Object.is(value, -0) ? '-0' : String(exact);
}
