/**
 * A kernel as text, one statement a line. `x[i:4]` is four lanes from x[i] on; `let` is where the
 * life of a variable begins.
 */
import type { Kernel } from './kernel.ts';
import { isContiguous } from './memory.ts';
import type { Statement } from './statement.ts';
import type { Buffer, Constant, Index, OperationName, Value } from './value.ts';

/** The operations that stand between their operands. */
const symbols: Partial<Record<OperationName, string>> = {
  add: '+', sub: '-', mul: '*', div: '/', and: '&', or: '|', xor: '^',
  equal: '==', notEqual: '!=', less: '<', lessEqual: '<=', greater: '>', greaterEqual: '>=',
  shiftLeft: '<<', shiftRight: '>>', shiftRightUnsigned: '>>>',
};

/** Names, a different one for each thing: a number is added to one that is taken. */
export class Names {
  readonly #names = new Map<object, string>();
  readonly #taken: Set<string>;

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken);
  }

  /** Names for a block: those outside it are known there, and its own end with it. */
  inner(): Names {
    const inner = new Names(this.#taken);
    for (const [named, name] of this.#names) inner.#names.set(named, name);
    return inner;
  }

  of(named: { readonly name: string }): string {
    const known = this.#names.get(named);
    if (known !== undefined) return known;
    let { name } = named;
    for (let n = 2; this.#taken.has(name); n++) name = `${named.name}_${n}`;
    this.#names.set(named, name);
    this.#taken.add(name);
    return name;
  }
}

/** The kernel as readable text. */
export function printKernel(kernel: Kernel): string {
  const names = new Names();
  const parameters = kernel.parameters.map((one) => (
    'node' in one ? `${names.of(one)}: ${one.type}` : describeBuffer(one, names)
  ));
  const own = [...new Set([...kernel.reads, ...kernel.writes])].filter(
    (one) => !kernel.parameters.includes(one),
  );
  return [
    `kernel ${kernel.name}(${parameters.join(', ')})`,
    ...own.map((one) => {
      const place = one.isScratch ? 'scratch' : `at ${one.at}`;
      return `  ${describeBuffer(one, names)} ${place}`;
    }),
    ...linesOf(kernel.body, kernel, names).map((line) => `  ${line}`),
  ].join('\n');
}

function describeBuffer(one: Buffer, names: Names): string {
  return `${names.of(one)}: ${one.kind}[${one.length}]`;
}

function linesOf(statements: readonly Statement[], kernel: Kernel, outside: Names): string[] {
  const names = outside.inner();
  const inner = (body: readonly Statement[], within = names): string[] =>
    linesOf(body, kernel, within).map((line) => `  ${line}`);
  const text = (value: Value): string => valueText(value, names);
  return statements.flatMap((statement) => {
    switch (statement.statement) {
      case 'set': {
        const { variable, value } = statement;
        const isFirst = kernel.declarations.has(statement);
        const name = names.of(variable);
        return [`${isFirst ? `let ${name}: ${variable.type}` : name} = ${text(value)}`];
      }
      case 'store': {
        const { buffer, index, value } = statement;
        return [`${names.of(buffer)}[${indexText(index, names)}] = ${text(value)}`];
      }
      case 'loop': {
        const { counter, from, to, step, body } = statement;
        const within = names.inner();
        const range = `${text(from)}..${text(to)}${step === 1 ? '' : ` step ${step}`}`;
        return [`for ${within.of(counter)} in ${range}`, ...inner(body, within)];
      }
      default: {
        const { condition, then, otherwise } = statement;
        const last = otherwise.length === 0 ? [] : ['else', ...inner(otherwise)];
        return [`if ${text(condition)}`, ...inner(then), ...last];
      }
    }
  });
}

function valueText(value: Value, names: Names, isInner = false): string {
  if (value.node === 'constant') return numberText(value);
  if (value.node === 'variable') return names.of(value);
  if (value.node === 'load') return `${names.of(value.buffer)}[${indexText(value.index, names)}]`;
  const { name, inputs, detail } = value;
  if (name === 'splat') return valueText(inputs[0], names, isInner);
  const symbol = symbols[name];
  if (symbol === undefined) {
    const parts = inputs.map((input) => valueText(input, names));
    return `${name}(${[...parts, ...detail].join(', ')})`;
  }
  const parts = [...inputs.map((input) => valueText(input, names, true)), ...detail];
  const text = parts.join(` ${symbol} `);
  return isInner ? `(${text})` : text;
}

function indexText(index: Index, names: Names): string {
  const terms = index.terms.map(({ of, times }) => {
    const text = valueText(of, names, true);
    return times === 1 ? text : `${times} * ${text}`;
  });
  const isShown = index.constant !== 0 || terms.length === 0;
  const sum = [...terms, ...(isShown ? [index.constant] : [])].join(' + ').replaceAll('+ -', '- ');
  if (index.step === 0) return sum;
  return isContiguous(index) ? `${sum}:4` : `${sum}:4 by ${index.step}`;
}

/** A number, of f32 in as few digits as tell it from the others. */
function numberText({ type, value }: Constant): string {
  if (Object.is(value, -0)) return '-0';
  for (let digits = 1; digits < 9 && type.startsWith('f32'); digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(value);
}
