/**
 * A module as bytes. WebAssembly is a stack machine: operands are pushed, and an instruction pops
 * them. So a tree of code is written in postorder, operands first, then the instruction.
 */
import { Bytes } from './bytes.ts';
import type { Code } from './code.ts';
import { emptyBlock, type Local, opcodes } from './control.ts';
import type { Label, Reference } from './immediates.ts';
import type { Memory, Parts } from './parts.ts';

const typeBytes = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const kindBytes = { function: 0x00, memory: 0x02, global: 0x03 };
const functionType = 0x60;
const isMutable = 1;

/** The module in WebAssembly's binary format. */
export function encodeModule(parts: Parts): Uint8Array {
  const { imports, functions, memories, globals, exports } = parts;
  const imported = imports.map(({ item }) => item).filter((item) => item.kind === 'function');
  const callables = [...imported, ...functions];
  const out = new Bytes();
  /** Writes a section of the module, unless its list is empty. */
  const section = <T>(id: number, items: readonly T[], write: (item: T) => void): void => {
    if (items.length > 0) out.byte(id).sized(() => out.list(items, write));
  };
  out.push(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0); // "\0asm", version 1
  // Each function has its own type, whose number is that of the function.
  section(1, callables, ({ parameters, result }) => {
    const types = Object.values(parameters).map((type) => typeBytes[type]);
    const results = result === 'none' ? [] : [typeBytes[result]];
    out.byte(functionType).unsigned(types.length).append(types);
    out.unsigned(results.length).append(results);
  });
  section(2, imports, ({ module, name, item }) => {
    out.name(module).name(name).byte(kindBytes[item.kind]);
    if (item.kind === 'memory') writeLimits(item, out);
    else out.unsigned(item.number);
  });
  section(3, functions, ({ number }) => out.unsigned(number));
  section(5, memories, (memory) => writeLimits(memory, out));
  section(6, globals, ({ global, initial }) => {
    out.push(typeBytes[global.type], isMutable);
    writeCode([initial], `global '${global.name}'`, [], out);
  });
  section(7, exports, ({ name, item }) => {
    out.name(name).byte(kindBytes[item.kind]).unsigned(item.number);
  });
  section(10, functions, ({ name, parameters, locals, code }) => out.sized(() => {
    writeLocals(locals.slice(Object.keys(parameters).length), out);
    writeCode(code, `function '${name}'`, [locals, parts], out);
  }));
  // The custom section 'name'; its subsection 1 has the names of the functions.
  out.push(0).sized(() => out.name('name').push(1).sized(() => {
    out.list(callables, ({ number, name }) => out.unsigned(number).name(name));
  }));
  return out.all();
}

/** Writes the types of locals; those that follow one another with the same type are one entry. */
function writeLocals(locals: readonly Local[], out: Bytes): void {
  const starts = [...locals.keys()].filter((i) => locals[i].type !== locals[i - 1]?.type);
  out.list(starts, (start, i) => {
    const end = starts[i + 1] ?? locals.length;
    out.unsigned(end - start).byte(typeBytes[locals[start].type]);
  });
}

function writeLimits({ limits: { min, max, shared } }: Memory, out: Bytes): void {
  if (max === undefined) out.byte(0).unsigned(min);
  else out.byte(shared ? 3 : 1).unsigned(min).unsigned(max);
}

/** Writes code and its end. It may refer to items of the given homes, and to enclosing labels. */
function writeCode(
  code: readonly Code[], where: string, homes: readonly object[], out: Bytes,
): void {
  /** The labels of the enclosing blocks, the innermost last. */
  const labels: Label[] = [];
  const numberOf = (reference: Reference): number => {
    if (reference.kind === 'label') {
      const place = labels.lastIndexOf(reference);
      if (place >= 0) return labels.length - 1 - place;
      throw new Error(`${where}: branch to label '${reference.name}' outside its block`);
    }
    if (homes.includes(reference.home)) return reference.number;
    const home = reference.kind === 'local' ? 'function' : 'module';
    throw new Error(`${where}: ${reference.kind} '${reference.name}' is not of this ${home}`);
  };
  const writeAll = (list: readonly Code[]): void => {
    for (let i = 0; i < list.length; i++) write(list[i]);
  };
  const write = ({ opcode, operands, immediates, label, bodies, assembled }: Code): void => {
    if (assembled !== undefined) {
      out.append(assembled);
      return;
    }
    if (operands.length > 0) writeAll(operands);
    if (opcode <= 0xff) out.byte(opcode);
    else out.byte(opcode >> 12).unsigned(opcode & 0xfff);
    for (let i = 0; i < immediates.length; i++) {
      const immediate = immediates[i];
      if (immediate.kind === 'literal') immediate.write(out);
      else out.unsigned(numberOf(immediate));
    }
    if (label === undefined || bodies === undefined) return;
    out.byte(emptyBlock);
    labels.push(label);
    bodies.forEach((body, i) => {
      if (i > 0) out.byte(opcodes.else);
      writeAll(body);
    });
    labels.pop();
    out.byte(opcodes.end);
  };
  writeAll(code);
  out.byte(opcodes.end);
}
