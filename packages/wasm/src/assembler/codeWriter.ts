/**
 * Code as bytes, in the order in which a stack machine runs it: first the operands, which push
 * their values, then the instruction, which pops them. Nothing is made but the bytes, so this is
 * the way to write much code.
 *
 *     f32.add(f32.mul(a, x), f32.const(1))        get(a).get(x).op('f32.mul').f32(1).op('f32.add')
 *
 * The types of the values on the stack are checked by the engine, when it compiles the module. The
 * code may refer to the locals of its function and to the globals of its module, and to nothing
 * else.
 */
import { Bytes } from './bytes.ts';
import { emptyBlock, type Global, type Local, opcodes } from './control.ts';
import { type InstructionName, rows } from './instructions.ts';

/** The opcodes of the instructions of the table, by name. */
const opcodeOf = new Map<string, number>(rows.map(({ name, opcode }) => [name, opcode]));

/** Whether there is an instruction of this name in the table. */
export function isInstruction(name: string): name is InstructionName {
  return opcodeOf.has(name);
}

/** Writes the code of a function, or of a part of it. */
export class CodeWriter {
  readonly #bytes = new Bytes();

  /** The bytes of all that was written. */
  all(): Uint8Array {
    return this.#bytes.all();
  }

  /** Appends what another writer has written. */
  append(code: CodeWriter): this {
    this.#bytes.append(code.#bytes.view());
    return this;
  }

  /** Pushes the value of a local. */
  get({ number }: Local): this {
    this.#bytes.byte(opcodes['local.get']).unsigned(number);
    return this;
  }

  /** Pushes the value of a global. */
  global({ number }: Global): this {
    this.#bytes.byte(opcodes['global.get']).unsigned(number);
    return this;
  }

  /** Pops a value into a local. */
  set({ number }: Local): this {
    this.#bytes.byte(opcodes['local.set']).unsigned(number);
    return this;
  }

  /** Copies the value on top of the stack to a local. */
  tee({ number }: Local): this {
    this.#bytes.byte(opcodes['local.tee']).unsigned(number);
    return this;
  }

  /** Pushes an integer. */
  i32(value: number): this {
    return this.op('i32.const').#signed(value);
  }

  /** Pushes a float. */
  f32(value: number): this {
    this.op('f32.const').#bytes.f32(value);
    return this;
  }

  /** An instruction of the table, with the bytes that follow it, such as lanes. */
  op(name: InstructionName, immediates: readonly number[] = []): this {
    const opcode = opcodeOf.get(name) ?? 0;
    if (opcode <= 0xff) this.#bytes.byte(opcode);
    else this.#bytes.byte(opcode >> 12).unsigned(opcode & 0xfff);
    if (immediates.length > 0) this.#bytes.append(immediates);
    return this;
  }

  /**
   * A load or a store so many bytes after an address that is a multiple of 4; then the lane, if it
   * is of one.
   */
  access(name: InstructionName, offset: number, lane?: number): this {
    if (!(offset >= 0 && offset < 2 ** 32)) {
      throw new Error(`${name}: the offset is ${offset}, expected one from 0 to 2³² − 1`);
    }
    this.op(name).#bytes.byte(2).unsigned(offset);
    if (lane !== undefined) this.#bytes.byte(lane);
    return this;
  }

  /** Pops a condition, and two values, of which it leaves the first if the condition is not 0. */
  select(): this {
    this.#bytes.byte(opcodes.select);
    return this;
  }

  /** Begins a loop, to whose start `branchIf` goes back; `end` ends it. */
  loop(): this {
    this.#bytes.push(opcodes.loop, emptyBlock);
    return this;
  }

  /** Pops a condition, and begins a branch that runs if it is not 0; `end` ends it. */
  if(): this {
    this.#bytes.push(opcodes.if, emptyBlock);
    return this;
  }

  /** Begins the branch that runs otherwise. */
  else(): this {
    this.#bytes.byte(opcodes.else);
    return this;
  }

  /** Pops a condition, and branches to the innermost block around if it is not 0. */
  branchIf(): this {
    this.#bytes.push(opcodes.br_if, 0);
    return this;
  }

  /** Ends the innermost block. */
  end(): this {
    this.#bytes.byte(opcodes.end);
    return this;
  }

  #signed(value: number): this {
    this.#bytes.signed(value);
    return this;
  }
}
