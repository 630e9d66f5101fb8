/**
 * A WebAssembly function three times: as the expression that it was written as, as the instructions
 * of a stack machine, and as their bytes. Operands come before the instruction that takes them. On
 * the right is what is on the stack after each instruction, for one call.
 */
import { type Expression, f32, Module } from '@mambagrad/wasm';
import { box, CHARACTER, line, type Mark, number, picture, text, WIDTH } from './kit.ts';

/** The values of x and y, and an expression of them that adds, subtracts and multiplies. */
export interface WasmBytesOptions {
  readonly x?: number;
  readonly y?: number;
  readonly code?: string;
  readonly expression?: Formula;
  /** The number of an instruction that stands out. Default none. */
  readonly marked?: number | undefined;
}

/** An expression of x and y. */
export type Formula = (x: Expression<'f32'>, y: Expression<'f32'>) => Expression<'f32'>;

/** An instruction, with its bytes in hexadecimal digits, and the stack after it. */
interface Row {
  readonly text: string;
  readonly bytes: readonly string[];
  readonly depth: number;
  readonly stack: readonly number[];
}

const operations: Readonly<Record<string, (a: number, b: number) => number>> = {
  'f32.add': (a, b) => a + b, 'f32.sub': (a, b) => a - b, 'f32.mul': (a, b) => a * b,
};

/** The instructions of an expression, operands first, without their bytes. */
function postOrder(
  code: Expression, locals: readonly number[], depth = 0, below: readonly number[] = [],
): Omit<Row, 'bytes'>[] {
  const rows: Omit<Row, 'bytes'>[] = [];
  let stack = below;
  for (const operand of code.operands) {
    rows.push(...postOrder(operand, locals, depth + 1, stack));
    stack = rows[rows.length - 1].stack;
  }
  const [immediate] = code.immediates;
  if (immediate?.kind === 'local') {
    const { number: place, name } = immediate;
    return [{ text: `local.get $${name}`, depth, stack: [...below, locals[place]] }];
  }
  const operation = operations[code.instruction];
  if (operation === undefined) throw new Error(`wasmBytes: ${code.instruction} is not known`);
  const [a, b] = stack.slice(-2);
  const value = Math.fround(operation(a, b));
  return [...rows, { text: code.instruction, depth, stack: [...below, value] }];
}

/** The bytes of the code of a module's only function, which has no locals but its parameters. */
function codeOf(module: Uint8Array): Uint8Array {
  let at = 8;
  /** An integer in LEB128. */
  const next = (): number => {
    const byte = module[at++];
    return byte < 0x80 ? byte : (byte & 0x7f) + 0x80 * next();
  };
  for (let section = next(), size = next(); section !== CODE; section = next(), size = next()) {
    at += size;
  }
  next(); // how many functions there are: one
  const size = next();
  next(); // how many kinds of locals there are: none
  return module.subarray(at, at + size - 1);
}

/** The number of the code section. */
const CODE = 10;

/** All instructions of a function of x and y, and the end, with their bytes. */
function rowsOf(expression: Formula, x: number, y: number): Row[] {
  const module = new Module();
  let body: Expression | undefined;
  module.export(module.function('f', { x: 'f32', y: 'f32' }, 'f32', (parameters) => {
    body = expression(parameters.x, parameters.y);
    return [body as Expression<'f32'>];
  }));
  const bytes = Array.from(codeOf(module.bytes()), (byte) => byte.toString(16).padStart(2, '0'));
  const rows = body === undefined ? [] : postOrder(body, [x, y]);
  const result = rows[rows.length - 1].stack;
  return [...rows, { text: 'end', depth: 0, stack: result }].map((row) => {
    // The number of a local takes a byte; other instructions here are a byte alone.
    return { ...row, bytes: bytes.splice(0, row.text.startsWith('local.get') ? 2 : 1) };
  });
}

/** Where in the code of an expression each instruction is written, operands first. */
export function spansOf(code: string): (readonly [start: number, end: number])[] {
  const spans: (readonly [number, number])[] = [];
  /** Reads the expression that starts at a place, and gives its end. */
  const read = (start: number): number => {
    const [name = ''] = /^[\w.]+/.exec(code.slice(start)) ?? [];
    let end = start + name.length;
    // Behind the name stand a bracket, operands with commas between them, and a bracket.
    if (code[end] === '(') {
      while (code[end] !== ')' && end < code.length) {
        end = read(end + (code[end] === ',' ? ', '.length : 1));
      }
      end++;
    }
    spans.push([start, end]);
    return end;
  };
  read(0);
  return spans;
}

const [ROW, TOP, LEFT] = [30, 104, 14];
const [CODE_LEFT, STACK_LEFT, CELL] = [96, 286, 40];

/** Draws the instructions below each other, in the order in which they run. */
export function draw(options: WasmBytesOptions = {}): string {
  const {
    x = 3, y = 4, code = 'f32.add(f32.mul(x, x), y)',
    expression = (a, b) => f32.add(f32.mul(a, a), b), marked,
  } = options;
  const rows = rowsOf(expression, x, y);
  const bottom = TOP + rows.length * ROW;
  const head = (left: number, content: string): Mark =>
    text(left, 80, content, { class: 'small', color: 'quiet' });
  return picture({
    height: bottom + 12,
    title: `The bytes of ${code}`,
    description: rows.map(({ bytes, text: name, stack }) => {
      const values = stack.map((one) => number(one)).join(', ');
      return `${bytes.join(' ')}: ${name}, then the stack is ${values}`;
    }).join('; '),
  }, [
    text(LEFT, 20, code, { class: 'code', color: 'c2' }),
    text(LEFT, 46, `runs as below; on the right for x = ${number(x)}, y = ${number(y)}`, {
      class: 'small',
    }),
    head(LEFT, 'bytes'), head(CODE_LEFT, 'instruction'), head(STACK_LEFT, 'stack, top right'),
    ...(marked === undefined || marked >= rows.length ? [] : marks(marked, spansOf(code)[marked])),
    ...rows.flatMap((row, i) => drawRow(row, TOP + i * ROW)),
  ]);
}

/** Marks an instruction, and where the code says it. */
function marks(row: number, [start, end]: readonly [number, number] = [0, 0]): Mark[] {
  const line = { x: LEFT - 8, y: TOP + row * ROW, width: WIDTH - 2 * LEFT + 16, height: ROW };
  const word = { x: LEFT + CHARACTER * start, y: 8, width: CHARACTER * (end - start), height: 24 };
  const look = { fill: 'c2', outline: 'c2', radius: 5 } as const;
  return [box(line, look), ...(start === end ? [] : [box(word, look)])];
}

function drawRow({ bytes, text: name, depth, stack }: Row, top: number): Mark[] {
  const [opcode, ...others] = bytes;
  const middle = top + ROW / 2;
  const byte = (content: string, i: number, color: 'c0' | 'quiet'): Mark => {
    const place = { x: LEFT + i * 33, y: top + 3, width: 30, height: ROW - 6 };
    const label = { anchor: 'middle', class: 'code', color } as const;
    return box(place, { fill: color, radius: 4 }) + text(place.x + 15, middle, content, label);
  };
  return [
    line([[LEFT, top], [WIDTH - LEFT, top]], { class: 'thin' }),
    byte(opcode, 0, 'c0'), ...others.map((other, i) => byte(other, i + 1, 'quiet')),
    text(CODE_LEFT + 2 * CHARACTER * depth, middle, name, { class: 'code' }),
    ...stack.map((value, i) => {
      const place = { x: STACK_LEFT + i * (CELL + 3), y: top + 4, width: CELL, height: ROW - 8 };
      const isTop = i === stack.length - 1;
      const color = isTop ? 'c1' : 'quiet';
      const label = { anchor: 'middle', class: 'small', color } as const;
      return box(place, { outline: isTop ? 'c1' : 'line', fill: color, radius: 4, class: 'thin' }) +
        text(place.x + CELL / 2, middle, number(value), label);
    }),
  ];
}
