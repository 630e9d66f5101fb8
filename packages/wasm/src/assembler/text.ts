/**
 * A module as WebAssembly text, folded: an instruction's operands stand inside its parentheses, so
 * the text nests as the code did.
 */
import type { Code } from './code.ts';
import type { Callable } from './control.ts';
import type { Reference } from './immediates.ts';
import { Names } from './names.ts';
import type { Exportable, Memory, Parts, WasmFunction } from './parts.ts';

/** The most characters that stand on one line, indentation aside. */
const width = 72;

/** What the text calls what can be exported. */
const kinds = { function: 'func', memory: 'memory', global: 'global' };

/** The module in WebAssembly's text format. */
export function printModule({ imports, functions, memories, globals, exports }: Parts): string {
  const names = new Names();
  const head = (item: Exportable): string => `${kinds[item.kind]} ${nameOf(item, names)}`;
  // What every function can name is named first.
  const items = [imports.map(({ item }) => item), functions, globals.map(({ global }) => global)];
  items.flat().forEach(head);
  return fold('module', true, [
    ...imports.map(({ module, name, item }) => {
      const text = item.kind === 'memory' ? limitsText(item) : signatureText(item);
      return `(import ${quote(module)} ${quote(name)} (${head(item)}${text}))`;
    }),
    ...memories.map((memory) => `(${head(memory)}${limitsText(memory)})`),
    ...globals.map(({ global, initial }) => (
      `(${head(global)} (mut ${global.type}) ${print(initial, names)})`
    )),
    ...functions.map((f) => names.within(() => printFunction(f, head(f), names))),
    ...exports.map(({ name, item }) => `(export ${quote(name)} (${head(item)}))`),
  ]);
}

/** The name in the text; those of one kind are apart from those of another. */
function nameOf(thing: Reference, names: Names): string {
  const { kind, name } = thing;
  const wanted = name.replaceAll(/[^\w.$+*/<>=!?-]/g, '_');
  return names.of(thing, `${kind} $${wanted}`).slice(kind.length + 1);
}

function limitsText({ limits: { min, max, shared } }: Memory): string {
  return ` ${min}${max === undefined ? '' : ` ${max}`}${shared ? ' shared' : ''}`;
}

/** What a function takes and gives; the parameters have names if there are any. */
function signatureText({ parameters, result }: Callable, names: readonly string[] = []): string {
  const texts = Object.values(parameters).map((type, i) => ` (param${names[i] ?? ''} ${type})`);
  return `${texts.join('')}${result === 'none' ? '' : ` (result ${result})`}`;
}

function printFunction(f: WasmFunction, head: string, names: Names): string {
  const own = f.locals.map((local) => ` ${nameOf(local, names)}`);
  const locals = f.locals.map(({ type }, i) => `(local${own[i]} ${type})`)
    .slice(Object.keys(f.parameters).length);
  const code = f.code.map((part) => print(part, names));
  const body = locals.length === 0 ? code : [locals.join(' '), ...code];
  return fold(head + signatureText(f, own), true, body);
}

function print({ instruction, immediates, operands, label, bodies }: Code, names: Names): string {
  const texts = immediates.map((immediate) => (
    immediate.kind === 'literal' ? immediate.text() : ` ${nameOf(immediate, names)}`
  ));
  // Both vector constants are one instruction, which has the shape of its numbers behind it.
  const head = instruction.replace(/^(.*x4)\.const$/, 'v128.const $1') + texts.join('');
  const taken = operands.map((operand) => print(operand, names));
  if (label === undefined || bodies === undefined) return fold(head, false, taken);
  return names.within(() => {
    const labelName = nameOf(label, names);
    const printed = bodies.map((body) => body.map((statement) => print(statement, names)));
    if (instruction !== 'if') return fold(`${head} ${labelName}`, true, printed.flat());
    const branches = printed.map((body, i) => fold(i === 0 ? 'then' : 'else', true, body));
    return fold([head, ...taken].join(' '), true, branches);
  });
}

/** Parentheses around a head and its parts: on one line if that is allowed and not too long. */
function fold(head: string, mustBreak: boolean, parts: readonly string[]): string {
  const line = `(${[head, ...parts].join(' ')})`;
  if (!mustBreak && line.length <= width && !line.includes('\n')) return line;
  return `(${[head, ...parts].join('\n').replaceAll('\n', '\n  ')})`;
}

/** A string of the text format: what is no plain character is written as its number. */
function quote(text: string): string {
  const escaped = text.replaceAll(/["\\\p{C}]/gu, (character) => (
    `\\u{${character.codePointAt(0)?.toString(16)}}`
  ));
  return `"${escaped}"`;
}
