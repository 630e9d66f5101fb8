/**
 * A module as bytes. Operands come first, then the instruction that takes them: the machine keeps
 * them on a stack. A tree is written by writing its branches, then its root.
 */
import { list, name, opcodeBytes, section, sized, unsigned, utf8 } from './bytes.ts';
import type { Code } from './code.ts';
import type { Callable } from './control.ts';
import type { WasmFunction } from './function.ts';
import type { ResultType } from './instructions.ts';
import { type Limits, type ModuleParts, numbered, type Origin } from './parts.ts';
import { Scope } from './scope.ts';

const typeBytes = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const kindBytes = { function: 0x00, memory: 0x02, global: 0x03 };
const emptyBlock = 0x40; // a block that leaves no value
const elseByte = 0x05;
const end = 0x0b;
const isMutable = 1;

/** The module in WebAssembly's binary format. */
export function encodeModule(parts: ModuleParts): number[] {
  const { imports, functions, memory, globals } = parts;
  const signatures = new Map([...imports, ...functions].map(signatureOf).map((s) => [`${s}`, s]));
  const keys = [...signatures.keys()];
  const typeOf = (f: Callable) => unsigned(keys.indexOf(`${signatureOf(f)}`));
  const limits = memory === undefined ? [] : limitBytes(memory.limits);
  const originBytes = ({ module, name: item }: Origin) => [...name(module), ...name(item)];
  const scope = new Scope('module', ...numbered(parts));
  const functionNames = [...imports, ...functions].map(({ reference }, number) => (
    [...unsigned(number), ...name(reference.name)]
  ));
  return [
    ...utf8('\0asm'), 1, 0, 0, 0, // version 1
    ...section(1, [...signatures.values()]),
    ...section(2, [
      ...imports.map((f) => [...originBytes(f.origin), kindBytes.function, ...typeOf(f)]),
      ...(memory?.origin ? [[...originBytes(memory.origin), kindBytes.memory, ...limits]] : []),
    ]),
    ...section(3, functions.map(typeOf)),
    ...section(5, memory === undefined || memory.origin ? [] : [limits]),
    ...section(6, globals.map(({ global: { type }, initial }) => (
      [typeBytes[type], isMutable, ...codeBytes([initial], scope)]
    ))),
    ...section(7, parts.exports.map(({ name: own, reference }) => (
      [...name(own), kindBytes[reference.kind], ...unsigned(scope.numberOf(reference))]
    ))),
    ...section(10, functions.map((f) => sized(encodeFunction(f, parts)))),
    ...section(11, parts.data.map(({ address, bytes }) => (
      [0, ...codeBytes([address], scope), ...sized(bytes)]
    ))),
    // The section called name, of which the first part has the names of functions.
    0, ...sized([...name('name'), 1, ...sized(list(functionNames))]),
  ];
}

function signatureOf({ parameters, result }: Callable): number[] {
  const types = (all: readonly ResultType[]) => (
    list(all.flatMap((type) => (type === 'none' ? [] : [[typeBytes[type]]])))
  );
  return [0x60, ...types(Object.values(parameters)), ...types([result])];
}

function limitBytes({ min, max, shared = false }: Limits): number[] {
  const flags = (max === undefined ? 0 : 1) | (shared ? 2 : 0);
  return [flags, ...unsigned(min), ...(max === undefined ? [] : unsigned(max))];
}

function encodeFunction(f: WasmFunction, parts: ModuleParts): number[] {
  const references = f.locals.map(({ reference }) => reference);
  const scope = new Scope(`function '${f.reference.name}'`, ...numbered(parts), references);
  const locals = f.locals.slice(Object.keys(f.parameters).length);
  return [...list(locals.map(({ type }) => [1, typeBytes[type]])), ...codeBytes(f.code, scope)];
}

function codeBytes(body: readonly Code[], scope: Scope): number[] {
  const bytes: number[] = [];
  for (const code of body) encode(code, scope, bytes);
  bytes.push(end);
  return bytes;
}

function encode(code: Code, scope: Scope, bytes: number[]): void {
  for (const operand of code.operands) encode(operand, scope, bytes);
  bytes.push(...opcodeBytes(code.opcode));
  for (const immediate of code.immediates) {
    const isReference = 'kind' in immediate;
    bytes.push(...(isReference ? unsigned(scope.numberOf(immediate)) : immediate.bytes));
  }
  const { label, bodies } = code;
  if (label === undefined || bodies === undefined) return;
  bytes.push(emptyBlock);
  scope.within(label, () => {
    for (const [i, body] of bodies.entries()) {
      if (i > 0) bytes.push(elseByte);
      for (const statement of body) encode(statement, scope, bytes);
    }
  });
  bytes.push(end);
}
