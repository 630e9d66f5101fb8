/**
 * A module in WebAssembly's text format, with folded instructions: operands are written inside the
 * parentheses of their instruction, so the text nests as the code does.
 */
import type { Code } from './code.ts';
import type { Callable } from './control.ts';
import { decode, type Variables } from './decode.ts';
import type { Reference } from './immediates.ts';
import { Names } from './names.ts';
import type { Exportable, Memory, Parts, WasmFunction } from './parts.ts';

/** The largest number of characters of a line, without its indentation. */
const width = 72;

/** The keywords of the text format for the kinds of items. */
const kinds = { function: 'func', memory: 'memory', global: 'global' };

/** The module in WebAssembly's text format. */
export function printModule({ imports, functions, memories, globals, exports }: Parts): string {
  const names = new Names();
  const head = (item: Exportable): string => `${kinds[item.kind]} ${nameOf(item, names)}`;
  const variables = globals.map(({ global }) => global);
  // Items that every function can refer to are named first.
  const items = [imports.map(({ item }) => item), functions, variables];
  items.flat().forEach(head);
  return fold('module', true, [
    ...imports.map(({ module, name, item }) => {
      const text = item.kind === 'memory' ? limitsText(item) : signatureText(item);
      return `(import ${quote(module)} ${quote(name)} (${head(item)}${text}))`;
    }),
    ...memories.map((memory) => `(${head(memory)}${limitsText(memory)})`),
    ...globals.map(({ global, initial }) => {
      const value = print(initial, names, { locals: [], globals: [] });
      return `(${head(global)} (mut ${global.type}) ${value})`;
    }),
    ...functions.map((f) => names.within(() => printFunction(f, head(f), names, variables))),
    ...exports.map(({ name, item }) => `(export ${quote(name)} (${head(item)}))`),
  ]);
}

/** The name of an item in the text. Names are unique among the items of a kind. */
function nameOf(thing: Reference, names: Names): string {
  const { kind, name } = thing;
  const wanted = name.replaceAll(/[^\w.$+*/<>=!?-]/g, '_');
  return names.of(thing, `${kind} $${wanted}`).slice(kind.length + 1);
}

function limitsText({ limits: { min, max, shared } }: Memory): string {
  return ` ${min}${max === undefined ? '' : ` ${max}`}${shared ? ' shared' : ''}`;
}

/** The parameters and the result of a function. */
function signatureText({ parameters, result }: Callable, names: readonly string[] = []): string {
  const texts = Object.values(parameters).map((type, i) => ` (param${names[i] ?? ''} ${type})`);
  return `${texts.join('')}${result === 'none' ? '' : ` (result ${result})`}`;
}

function printFunction(
  f: WasmFunction, head: string, names: Names, globals: Variables['globals'],
): string {
  const own = f.locals.map((local) => ` ${nameOf(local, names)}`);
  const locals = f.locals.map(({ type }, i) => `(local${own[i]} ${type})`)
    .slice(Object.keys(f.parameters).length);
  const code = printAll(f.code, names, { locals: f.locals, globals });
  const body = locals.length === 0 ? code : [locals.join(' '), ...code];
  return fold(head + signatureText(f, own), true, body);
}

/** Prints code; of that of which only the bytes were kept, what they say. */
function printAll(code: readonly Code[], names: Names, variables: Variables): string[] {
  return code
    .flatMap((part) => (part.assembled ? decode(part.assembled, variables) : part))
    .map((part) => print(part, names, variables));
}

function print(code: Code, names: Names, variables: Variables): string {
  const { instruction, immediates, operands, label, bodies } = code;
  const texts = immediates.map((immediate) => (
    immediate.kind === 'literal' ? immediate.text() : ` ${nameOf(immediate, names)}`
  ));
  // In the text format both vector constants are v128.const, followed by their shape.
  const head = instruction.replace(/^(.*x4)\.const$/, 'v128.const $1') + texts.join('');
  const taken = printAll(operands, names, variables);
  if (label === undefined || bodies === undefined) return fold(head, false, taken);
  return names.within(() => {
    const labelName = nameOf(label, names);
    const printed = bodies.map((body) => printAll(body, names, variables));
    if (instruction !== 'if') return fold(`${head} ${labelName}`, true, printed.flat());
    const branches = printed.map((body, i) => fold(i === 0 ? 'then' : 'else', true, body));
    return fold([head, ...taken].join(' '), true, branches);
  });
}

/** A head and its parts in parentheses, on one line if that is allowed and short enough. */
function fold(head: string, mustBreak: boolean, parts: readonly string[]): string {
  const line = `(${[head, ...parts].join(' ')})`;
  if (!mustBreak && line.length <= width && !line.includes('\n')) return line;
  return `(${[head, ...parts].join('\n').replaceAll('\n', '\n  ')})`;
}

/** A string of the text format, with special characters escaped. */
function quote(text: string): string {
  const escaped = text.replaceAll(/["\\\p{C}]/gu, (character) => (
    `\\u{${character.codePointAt(0)?.toString(16)}}`
  ));
  return `"${escaped}"`;
}
