/**
 * Bytes as code again: the inverse of `CodeWriter`, for the text of code of which only the bytes
 * were kept. It runs the stack machine on trees: an instruction takes its operands from the stack,
 * and is itself put there.
 *
 *     get a, get x, f32.mul, f32.const 1, f32.add        (f32.add (f32.mul a x) (f32.const 1))
 */
import type { Code, Expression } from './code.ts';
import { type Global, instruct, type Local, opcodes } from './control.ts';
import { type Immediate, immediateOf, type Label } from './immediates.ts';
import { type Row, rows } from './instructions.ts';

/** The rows by their opcodes. All vector constants have one opcode; they are read as integers. */
const rowOf = new Map<number, Row>(rows.toReversed().map((row) => [row.opcode, row]));

/** Reads the numbers of the binary format, one after the other. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#at++];
  }

  unsigned(): number {
    const low = this.byte();
    return low < 0x80 ? low : low - 0x80 + 0x80 * this.unsigned();
  }

  signed(): number {
    const low = this.byte();
    if (low >= 0x80) return low - 0x80 + 0x80 * this.signed();
    return low >= 0x40 ? low - 0x80 : low;
  }

  /** So many floats or integers of 32 bits. */
  numbers(type: string, count: number): number[] {
    const { buffer, byteOffset } = this.#bytes;
    const view = new DataView(buffer, byteOffset + this.#at, 4 * count);
    this.#at += 4 * count;
    return Array.from({ length: count }, (_, i) => (
      type.startsWith('f') ? view.getFloat32(4 * i, true) : view.getInt32(4 * i, true)
    ));
  }
}

/** What the bytes refer to by number. */
export interface Variables {
  /** The locals of the function. */
  readonly locals: readonly Local[];
  /** The globals of the module. */
  readonly globals: readonly Global[];
}

/** The code that a `CodeWriter` wrote, for a function with these variables. */
export function decode(bytes: Uint8Array, variables: Variables): Code[] {
  const from = new Reader(bytes);
  return blockFrom(from, variables, []).code;
}

/** The statements of a block, up to its end or to the branch that runs otherwise. */
function blockFrom(
  from: Reader, variables: Variables, labels: readonly Label[],
): { code: Code[]; hasElse: boolean } {
  const stack: Code[] = [];
  while (!from.isAtEnd) {
    const opcode = from.byte();
    if (opcode === opcodes.end || opcode === opcodes.else) {
      return { code: stack, hasElse: opcode === opcodes.else };
    }
    const take = (count: number): Expression[] =>
      (count === 0 ? [] : stack.splice(-count)) as Expression[];
    if (opcode === opcodes.loop || opcode === opcodes.if) {
      stack.push(enclosingFrom(from, variables, labels, opcode, take));
    } else {
      const control = controlFrom(from, variables, labels, opcode, take);
      stack.push(control ?? tableFrom(from, opcode, take));
    }
  }
  return { code: stack, hasElse: false };
}

/** Takes so many operands from the stack. */
type Take = (count: number) => Expression[];

/** A loop or an if, after its opcode. */
function enclosingFrom(
  from: Reader, variables: Variables, labels: readonly Label[], opcode: number, take: Take,
): Code {
  const isLoop = opcode === opcodes.loop;
  const label: Label = { kind: 'label', name: isLoop ? 'next' : '' };
  const head = instruct(isLoop ? 'loop' : 'if', 'none', take(isLoop ? 0 : 1));
  // The type of the block, which leaves no value.
  from.byte();
  const first = blockFrom(from, variables, [...labels, label]);
  const bodies = [first.code];
  if (first.hasElse) bodies.push(blockFrom(from, variables, [...labels, label]).code);
  return { ...head, label, bodies };
}

/** An instruction that is not in the table; undefined if it is. */
function controlFrom(
  from: Reader, variables: Variables, labels: readonly Label[], opcode: number, take: Take,
): Code | undefined {
  const { locals, globals } = variables;
  if (opcode === opcodes['local.get']) return locals[from.unsigned()];
  if (opcode === opcodes['global.get']) return globals[from.unsigned()];
  if (opcode === opcodes['local.set']) {
    return instruct('local.set', 'none', take(1), locals[from.unsigned()]);
  }
  if (opcode === opcodes['local.tee']) {
    const local = locals[from.unsigned()];
    return instruct('local.tee', local.type, take(1), local);
  }
  if (opcode === opcodes.br_if) {
    return instruct('br_if', 'none', take(1), labels[labels.length - 1 - from.unsigned()]);
  }
  if (opcode !== opcodes.select) return undefined;
  const operands = take(3);
  return instruct('select', operands[0].type, operands);
}

/** An instruction of the table, after the first byte of its opcode. */
function tableFrom(from: Reader, first: number, take: Take): Code {
  const isPrefix = first >= 0xfc && first <= 0xfe;
  const row = rowOf.get(isPrefix ? (first << 12) | from.unsigned() : first);
  if (row === undefined) throw new Error(`decode: there is no instruction ${first.toString(16)}`);
  const { name, opcode, tokens, result } = row;
  const immediates: Immediate[] = [];
  let count = 0;
  for (const token of tokens) {
    if (/^[ifv@]/.test(token)) count++;
    if (!/^[ifv]/.test(token)) immediates.push(immediateFrom(from, name, token));
  }
  return { type: result, instruction: name, opcode, operands: take(count), immediates };
}

function immediateFrom(from: Reader, name: string, token: string): Immediate {
  if (token.startsWith('@')) {
    const align = 2 ** from.unsigned();
    return immediateOf(name, token, { align, offset: from.unsigned() });
  }
  if (token === '=i32') return immediateOf(name, token, from.signed());
  if (token.startsWith('=')) {
    return immediateOf(name, token, from.numbers(token.slice(1), token.endsWith('x4') ? 4 : 1));
  }
  const count = token === 'lanes' ? 16 : 1;
  return immediateOf(name, token, Array.from({ length: count }, () => from.byte()));
}
