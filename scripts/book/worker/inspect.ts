/**
 * How Node shows values: `format(...)` is what `console.log` prints. The pages say what Node
 * prints, so the site has to show the same. It follows Node's lib/internal/util/inspect.js, for the
 * kinds of values that are not particular to Node:
 *
 *     format([1, 2], 'a', { b: 'c' })   →   [ 1, 2 ] a { b: 'c' }
 *
 * What fits is put on one line of 80 characters or less, long arrays into columns, and each other
 * entry on a line of its own.
 */
import { callableText, errorText, nameOf, prefixOf, quoted, tagOf } from './describe.ts';

/** A line is not longer than this, if its entries are not. */
const BREAK_LENGTH = 80;
/** Objects that hold no more than this many levels may share a line. */
const COMPACT = 3;
/** Of an array or a collection this many entries are shown. */
const MOST_ENTRIES = 100;
const MOST_CHARACTERS = 10_000;
/** Levels of objects that are shown. */
const DEPTH = 2;

const custom = Symbol.for('nodejs.util.inspect.custom');

/** The state of one call. */
interface Context {
  readonly depth: number;
  indentation: number;
  currentDepth: number;
  readonly seen: object[];
  /** Objects that hold themselves, with their numbers. */
  readonly circular: Map<object, number>;
}

/** Shows a value. */
export function inspect(value: unknown, { depth = DEPTH } = {}): string {
  const context = { depth, indentation: 0, currentDepth: 0, seen: [], circular: new Map() };
  return valueText(context, value, 0);
}

/** Text with values put in for %s, %d, %i, %f, %j, %o, %O and %c, and further values behind it. */
export function format(...values: readonly unknown[]): string {
  const [first, ...rest] = values;
  if (typeof first !== 'string') return values.map(shown).join(' ');
  if (rest.length === 0) return first;
  let next = 0;
  const text = first.replaceAll(/%[sdifjoOc%]/g, (mark) => {
    if (mark === '%%') return '%';
    return next < rest.length ? substituted(mark, rest[next++]) : mark;
  });
  return [text, ...rest.slice(next).map(shown)].join(' ');
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value);
}

function substituted(mark: string, value: unknown): string {
  if (mark === '%c') return '';
  if (mark === '%j') return JSON.stringify(value) ?? 'undefined';
  if (mark === '%o' || mark === '%O') return inspect(value, { depth: 4 });
  if (mark === '%s') {
    return typeof value === 'object' && value !== null ? inspect(value, { depth: 0 })
      : plain(value);
  }
  if (typeof value === 'bigint' && mark !== '%f') return `${value}n`;
  if (typeof value === 'symbol') return 'NaN';
  if (mark === '%d') return plain(Number(value));
  return plain(mark === '%i' ? parseInt(String(value), 10) : parseFloat(String(value)));
}

function plain(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  return Object.is(value, -0) ? '-0' : String(value);
}

function valueText(context: Context, value: unknown, level: number): string {
  if (typeof value === 'string') return stringText(context, value);
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') {
    return plain(value);
  }
  const own = (value as { [custom]?: unknown })[custom];
  if (typeof own === 'function') {
    const result: unknown = own.call(value, context.depth - level, {}, inspect);
    if (result !== value) {
      const text = typeof result === 'string' ? result : valueText(context, result, level);
      return text.replaceAll('\n', `\n${' '.repeat(context.indentation)}`);
    }
  }
  if (!context.seen.includes(value)) return objectText(context, value, level);
  const number = context.circular.get(value) ?? context.circular.size + 1;
  context.circular.set(value, number);
  return `[Circular *${number}]`;
}

function stringText({ indentation }: Context, value: string): string {
  const text = value.slice(0, MOST_CHARACTERS);
  const more = value.length - text.length;
  const trailer = more > 0 ? `... ${more} more character${more > 1 ? 's' : ''}` : '';
  const isLong = text.length > 16 && text.length > BREAK_LENGTH - indentation - 4;
  const lines = isLong ? text.split(/(?<=\n)/) : [text];
  return lines.map(quoted).join(` +\n${' '.repeat(indentation + 2)}`) + trailer;
}

/** What is written of an object: entries between braces, with a word before them. */
interface Layout {
  readonly base: string;
  readonly open: string;
  readonly close: string;
  readonly isList: boolean;
  readonly keys: readonly PropertyKey[];
  entries(level: number): string[];
}

function objectText(context: Context, value: object, level: number): string {
  const layout = layoutOf(context, value);
  const { base, open, close, isList, keys, entries } = layout;
  const isEmpty = keys.length === 0 && !hasEntries(value);
  if (isEmpty && base !== '') return base;
  if (isEmpty) return `${open}${close}`;
  if (level > context.depth) {
    const name = prefixOf(nameOf(value), tagOf(value), 'Object').trimEnd();
    return nameOf(value) === undefined ? name : `[${name}]`;
  }
  context.seen.push(value);
  context.currentDepth = level + 1;
  const output = [
    ...entries(level + 1), ...keys.map((key) => propertyText(context, value, level + 1, key, true)),
  ];
  context.seen.pop();
  const number = context.circular.get(value);
  const reference = number === undefined ? '' : `<ref *${number}>`;
  const start = [reference, base].filter((text) => text !== '').join(' ');
  return laidOut(context, output, { start, open, close, isList }, level + 1, value);
}

/** Whether an object has something to show beside its properties. */
function hasEntries(value: object): boolean {
  if (value instanceof Map || value instanceof Set) return value.size > 0;
  return (Array.isArray(value) || isTypedArray(value)) && value.length > 0;
}

type Numbers = ArrayLike<number | bigint>;

const isTypedArray = (value: object): value is object & Numbers =>
  ArrayBuffer.isView(value) && !(value instanceof DataView);

function layoutOf(context: Context, value: object): Layout {
  const [name, tag] = [nameOf(value), tagOf(value)];
  const all = Reflect.ownKeys(value).filter((key) =>
    Object.prototype.propertyIsEnumerable.call(value, key));
  const braces = (fallback: string, size = ''): Layout => ({
    base: '', open: `${prefixOf(name, tag, fallback, size)}{`, close: '}', isList: false, keys: all,
    entries: () => [],
  });
  if (Array.isArray(value) || isTypedArray(value)) {
    const keys =
      all.filter((key) => typeof key === 'symbol' || !/^(?:0|[1-9]\d*)$/.test(String(key)));
    const isPlain = Array.isArray(value) && name === 'Array' && tag === '';
    const prefix = isPlain ? '' : prefixOf(name, tag, 'Array', `(${value.length})`);
    const entries = (level: number) => itemTexts(context, value, level);
    return { base: '', open: `${prefix}[`, close: ']', isList: true, keys, entries };
  }
  if (value instanceof Map || value instanceof Set) {
    const kind = value instanceof Map ? 'Map' : 'Set';
    const entries = (level: number) => collectionTexts(context, value, level);
    return { ...braces(kind, `(${value.size})`), entries };
  }
  const layout = braces('Object');
  if (name === 'Object' && tag === '') return { ...layout, open: '{' };
  if (typeof value === 'function') {
    return { ...layout, base: callableText(value, name, tag), open: '{' };
  }
  if (value instanceof RegExp) return { ...layout, base: String(value), open: '{' };
  if (value instanceof Date) {
    const base = Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    return { ...layout, base, open: '{' };
  }
  if (value instanceof Error) {
    const keys = all.filter((key) => key !== 'stack' && key !== 'message');
    const cause = Object.hasOwn(value, 'cause') && !keys.includes('cause') ? ['cause'] : [];
    return { ...layout, base: errorText(value), open: '{', keys: [...keys, ...cause] };
  }
  return layout;
}

function itemTexts(context: Context, value: readonly unknown[] | Numbers, level: number): string[] {
  const output: string[] = [];
  const count = Math.min(value.length, MOST_ENTRIES);
  let index = 0;
  while (index < value.length && output.length < count) {
    if (Object.hasOwn(value, index)) {
      output.push(propertyText(context, value, level, String(index), false));
      index += 1;
    } else {
      const start = index;
      while (index < value.length && !Object.hasOwn(value, index)) index += 1;
      output.push(`<${index - start} empty item${index - start > 1 ? 's' : ''}>`);
    }
  }
  return output.concat(moreText(value.length - index));
}

function moreText(count: number): string[] {
  return count > 0 ? [`... ${count} more item${count > 1 ? 's' : ''}`] : [];
}

function collectionTexts(
  context: Context, value: ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>, level: number,
): string[] {
  context.indentation += 2;
  const entries = value instanceof Map ? [...value] : [...value].map((each) => [each]);
  const output = entries.slice(0, MOST_ENTRIES).map((entry) =>
    entry.map((each) => valueText(context, each, level)).join(' => '));
  context.indentation -= 2;
  return output.concat(moreText(value.size - output.length));
}

function propertyText(
  context: Context, owner: object, level: number, key: PropertyKey, isNamed: boolean,
): string {
  const found = Object.getOwnPropertyDescriptor(owner, key);
  context.indentation += 2;
  const accessors = [found?.get && 'Getter', found?.set && 'Setter'].filter(Boolean);
  const text = accessors.length > 0
    ? `[${accessors.join('/')}]` : valueText(context, found?.value, level);
  context.indentation -= 2;
  if (!isNamed) return text;
  if (typeof key === 'symbol') return `[${key.toString()}]: ${text}`;
  const name = String(key);
  if (name === '__proto__') return `['__proto__']: ${text}`;
  if (found?.enumerable === false) return `[${name}]: ${text}`;
  return `${/^[a-zA-Z_][a-zA-Z_0-9]*$/.test(name) ? name : quoted(name)}: ${text}`;
}

interface Ends {
  readonly start: string;
  readonly open: string;
  readonly close: string;
  readonly isList: boolean;
}

/** Puts entries on one line, into columns, or on a line each. */
function laidOut(
  context: Context, entries: string[], { start, open, close, isList }: Ends, level: number,
  value: object,
): string {
  const output = isList && entries.length > 6 ? grouped(context, entries, value) : entries;
  const before = start === '' ? open : `${start} ${open}`;
  if (context.currentDepth - level < COMPACT && output.length === entries.length) {
    const room = output.length + context.indentation + open.length + start.length + 10;
    const total = output.reduce((sum, text) => sum + text.length, output.length + room);
    const joined = output.join(', ');
    const fits = total <= BREAK_LENGTH && room + 2 * output.length <= BREAK_LENGTH;
    if (fits && !`${start}${joined}`.includes('\n')) return `${before} ${joined} ${close}`;
  }
  const indentation = `\n${' '.repeat(context.indentation)}`;
  return `${before}${indentation}  ${output.join(`,${indentation}  `)}${indentation}${close}`;
}

/** Short entries of a long array in columns; numbers to the right, others to the left. */
function grouped({ indentation }: Context, output: string[], value: object): string[] {
  const hasMore = output.length > MOST_ENTRIES;
  const items = hasMore ? output.slice(0, -1) : output;
  const widths = items.map((text) => text.length + 2);
  const [total, widest] = [widths.reduce((sum, each) => sum + each, 0), Math.max(...widths)];
  const isRegular = total / widest > 5 || widest <= 8;
  if (widest * 3 + indentation >= BREAK_LENGTH || !isRegular) return output;
  const biased = Math.max(widest - 3 - Math.sqrt(widest - total / output.length), 1);
  const columns = Math.min(
    Math.round(Math.sqrt(2.5 * biased * items.length) / biased),
    Math.floor((BREAK_LENGTH - indentation) / widest), COMPACT * 4, 15,
  );
  if (columns <= 1) return output;
  const columnWidths = Array.from({ length: columns }, (_, column) =>
    Math.max(...widths.filter((_width, i) => i % columns === column)));
  const list = value as ArrayLike<unknown>;
  const isNumeric = output.every((_, i) => ['number', 'bigint'].includes(typeof list[i]));
  const lines: string[] = [];
  for (let i = 0; i < items.length; i += columns) {
    const row = items.slice(i, i + columns);
    const cells = row.map((text, j) => {
      const isLast = j === row.length - 1;
      if (isNumeric) {
        return isLast ? text.padStart(columnWidths[j] - 2) : `${text}, `.padStart(columnWidths[j]);
      }
      return isLast ? text : `${text}, `.padEnd(columnWidths[j]);
    });
    lines.push(cells.join(''));
  }
  return hasMore ? [...lines, output[output.length - 1]] : lines;
}
