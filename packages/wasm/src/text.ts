/**
 * A module as WebAssembly text, folded: an instruction's operands stand inside its parentheses, so
 * the text nests as the code did.
 */
import { utf8 } from './bytes.ts';
import type { Code } from './code.ts';
import type { Callable } from './control.ts';
import type { WasmFunction } from './function.ts';
import type { Reference } from './immediates.ts';
import { type Memory, type ModuleParts, numbered, type Origin } from './parts.ts';
import { Scope } from './scope.ts';

/** The most characters that stand on one line, indentation aside. */
const width = 72;

/** What the text calls what can be exported. */
const kinds = { function: 'func', memory: 'memory', global: 'global' };

/** The module in WebAssembly's text format. */
export function printModule(parts: ModuleParts): string {
  const scope = new Scope('module', ...numbered(parts));
  return fold('module', true, [
    ...parts.imports.map((f) => importText(f.origin, `(${headOf(f, scope)})`)),
    ...(parts.memory === undefined ? [] : [memoryText(parts.memory, scope)]),
    ...parts.globals.map(({ global: { reference, type }, initial }) => (
      `(global ${scope.nameOf(reference)} (mut ${type}) ${print(initial, scope)})`
    )),
    ...parts.functions.map((f) => printFunction(f, parts)),
    ...parts.exports.map(({ name, reference }) => (
      `(export ${quote(utf8(name))} (${kinds[reference.kind]} ${scope.nameOf(reference)}))`
    )),
    ...parts.data.map(({ address, bytes }) => `(data ${print(address, scope)} ${quote(bytes)})`),
  ]);
}

function importText({ module, name }: Origin, what: string): string {
  return `(import ${quote(utf8(module))} ${quote(utf8(name))} ${what})`;
}

function memoryText({ reference, limits, origin }: Memory, scope: Scope): string {
  const { min, max, shared } = limits;
  const words = ['memory', scope.nameOf(reference), min, max, shared ? 'shared' : undefined];
  const text = `(${words.filter((word) => word !== undefined).join(' ')})`;
  return origin === undefined ? text : importText(origin, text);
}

function headOf(f: Callable, scope: Scope, names: readonly string[] = []): string {
  const types = Object.values(f.parameters);
  const given = types.map((type, i) => `(param ${names[i] ?? ''} ${type})`.replace('  ', ' '));
  const results = f.result === 'none' ? [] : [`(result ${f.result})`];
  return ['func', scope.nameOf(f.reference), ...given, ...results].join(' ');
}

function printFunction(f: WasmFunction, parts: ModuleParts): string {
  const references = f.locals.map(({ reference }) => reference);
  const scope = new Scope(`function '${f.reference.name}'`, ...numbered(parts), references);
  const names = references.map((reference) => scope.nameOf(reference));
  const declared = f.locals.map(({ type }, i) => `(local ${names[i]} ${type})`);
  const locals = declared.slice(Object.keys(f.parameters).length).join(' ');
  const code = f.code.map((part) => print(part, scope));
  return fold(headOf(f, scope, names), true, [...(locals === '' ? [] : [locals]), ...code]);
}

function print(code: Code, scope: Scope): string {
  const { name, immediates, operands, label, bodies } = code;
  const texts = immediates.map((immediate) => (
    'kind' in immediate ? referenceText(immediate, scope) : immediate.text
  ));
  // Both vector constants are one instruction, which has the shape of its numbers behind it.
  const words = [name.replace(/^(.*x4)\.const$/, 'v128.const $1'), ...texts];
  const head = words.filter((word) => word !== '').join(' ');
  const taken = operands.map((taken) => print(taken, scope));
  if (label === undefined || bodies === undefined) return fold(head, false, taken);
  return scope.within(label, () => {
    const printed = bodies.map((body) => body.map((statement) => print(statement, scope)));
    if (name !== 'if') return fold(`${head} ${scope.nameOf(label)}`, true, printed.flat());
    const branches = printed.map((body, i) => fold(i === 0 ? 'then' : 'else', true, body));
    return fold([head, ...taken].join(' '), true, branches);
  });
}

/** The name of what is referred to, checked to be in reach. */
function referenceText(reference: Reference, scope: Scope): string {
  scope.numberOf(reference);
  return scope.nameOf(reference);
}

/** Parentheses around a head and its parts: on one line if that is allowed and not too long. */
function fold(head: string, mustBreak: boolean, parts: readonly string[]): string {
  const line = `(${[head, ...parts].join(' ')})`;
  if (!mustBreak && line.length <= width && !line.includes('\n')) return line;
  return `(${[head, ...parts].join('\n').replaceAll('\n', '\n  ')})`;
}

/** Bytes as a string of the text format: characters that can be seen, the others as numbers. */
function quote(bytes: readonly number[]): string {
  const characters = bytes.map((byte) => {
    const character = String.fromCharCode(byte);
    if (/[ !#-[\]-~]/.test(character)) return character;
    return `\\${byte.toString(16).padStart(2, '0')}`;
  });
  return `"${characters.join('')}"`;
}
