/**
 * Running a kernel under guard: as JavaScript in which every access to memory is checked before it
 * is made. This is slow, but finds mistakes that no comparison of results can: a value that is read
 * out of range and then not used, or a race that goes well because one thread runs all chunks.
 *
 *     out of range      element 12 of a buffer of 12
 *     not written yet   scratch memory that is read before it is written
 *     a race            an iteration of a parallel loop that touches what another writes
 *     left out          elements of a result that are never written
 */
import { Names } from '@mambagrad/wasm';
import type { Buffer } from '../language/expression.ts';
import type { Kernel, Parameter } from '../language/kernel.ts';
import { type CompiledKernel, compileJavaScript, type Guard } from './javascript.ts';
import type { ScriptSizes } from './scriptBody.ts';

/** Instead of the number of the iteration that accessed an element: none, or several. */
const NOBODY = -1;
const SEVERAL = -2;

/** The accesses to the elements of a buffer in a call. */
interface Log {
  readonly buffer: Buffer;
  /** Its name in the printed kernel. */
  readonly name: string;
  /** Whether each thread has such a buffer for itself. */
  readonly isThreadLocal: boolean;
  readonly isWritten: Uint8Array;
  /** The iterations that wrote and read each element, of the parallel loop that runs. */
  readonly writer: Int32Array;
  readonly reader: Int32Array;
}

/**
 * Compiles a kernel to JavaScript that throws when it reads or writes out of range, reads scratch
 * memory that has not been written, has parallel iterations that depend on each other, or leaves an
 * element unwritten of a buffer in `filled`. The error names the kernel, buffer and element.
 *
 *     const y = buffer('y', 'f32', 2);
 *     const wrong = kernel('wrong', [y], store(y, 0, constant('f32', 1)));
 *     compileGuarded(wrong, memory, [y])(0);    // kernel wrong: leaves element 1 of y unwritten
 */
export function compileGuarded(
  kernel: Kernel, memory: ArrayBuffer | SharedArrayBuffer, filled: readonly Parameter[] = [],
  sizes?: ScriptSizes,
): CompiledKernel {
  const guard = new KernelGuard(kernel);
  const run = compileJavaScript(kernel, memory, guard, sizes);
  return (...given) => {
    guard.start();
    run(...given);
    guard.requireFilled(filled);
  };
}

class KernelGuard implements Guard {
  readonly numbers: ReadonlyMap<Buffer, number>;
  readonly #kernel: Kernel;
  #logs: readonly Log[] = [];
  #iteration = NOBODY;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    const given = kernel.parameters.flatMap((one) => ('node' in one ? [] : [one]));
    const buffers = new Set([...given, ...kernel.reads, ...kernel.writes]);
    this.numbers = new Map(Array.from(buffers, (buffer, number) => [buffer, number]));
  }

  /** Forgets what earlier calls did. */
  start(): void {
    const { scratch, scratchBytes, threadLocalBytes } = this.#kernel;
    this.#iteration = NOBODY;
    const names = new Names();
    this.#kernel.parameters.forEach((one) => names.of(one));
    this.#logs = Array.from(this.numbers.keys(), (buffer) => ({
      buffer,
      name: names.of(buffer),
      isThreadLocal: (scratch.get(buffer) ?? NOBODY) >= scratchBytes - threadLocalBytes,
      isWritten: new Uint8Array(buffer.length),
      writer: new Int32Array(buffer.length).fill(NOBODY),
      reader: new Int32Array(buffer.length).fill(NOBODY),
    }));
  }

  requireFilled(filled: readonly Parameter[]): void {
    for (const { buffer, name, isWritten } of this.#logs) {
      const left = filled.includes(buffer) ? isWritten.indexOf(0) : -1;
      if (left >= 0) this.#fail(`leaves element ${left} of ${name} unwritten`);
    }
  }

  read(at: number, start: number, number: number): number {
    const log = this.#logs[number];
    const element = this.#elementOf(log, 'reads', at - start);
    const { buffer, name, isThreadLocal, isWritten, writer, reader } = log;
    const isOfIteration = isThreadLocal && this.#iteration !== NOBODY;
    const isThere = isOfIteration ? writer[element] === this.#iteration : isWritten[element] === 1;
    if (buffer.isScratch && !isThere) {
      this.#fail(`reads element ${element} of ${name} before it is written`);
    }
    if (isThreadLocal || this.#iteration === NOBODY) return at;
    this.#refuseRace(log, 'reads', element, writer[element], 'written');
    const isFirst = reader[element] === NOBODY || reader[element] === this.#iteration;
    reader[element] = isFirst ? this.#iteration : SEVERAL;
    return at;
  }

  write(at: number, start: number, number: number): number {
    const log = this.#logs[number];
    const element = this.#elementOf(log, 'writes', at - start);
    const { isThreadLocal, isWritten, writer, reader } = log;
    isWritten[element] = 1;
    if (this.#iteration === NOBODY) return at;
    if (!isThreadLocal) {
      this.#refuseRace(log, 'writes', element, writer[element], 'written');
      this.#refuseRace(log, 'writes', element, reader[element], 'read');
    }
    writer[element] = this.#iteration;
    return at;
  }

  select(condition: unknown, a: number, b: number): number {
    return condition ? a : b;
  }

  iteration(isRunning: boolean, number: number): boolean {
    if (this.#iteration === NOBODY || !isRunning) {
      for (const { writer, reader } of this.#logs) {
        writer.fill(NOBODY);
        reader.fill(NOBODY);
      }
    }
    this.#iteration = isRunning ? number : NOBODY;
    return isRunning;
  }

  #elementOf({ name, buffer: { length } }: Log, how: string, element: number): number {
    if (element >= 0 && element < length) return element;
    return this.#fail(`${how} element ${element} of ${name}, which has ${length} elements`);
  }

  #refuseRace(
    { name }: Log, how: string, element: number, other: number, did: string,
  ): void {
    if (other === NOBODY || other === this.#iteration) return;
    const who = other === SEVERAL ? 'others have' : `iteration ${other} has`;
    const where = `iteration ${this.#iteration} of a parallel loop`;
    this.#fail(`${how} element ${element} of ${name} in ${where}, and ${who} ${did} it`);
  }

  #fail(message: string): never {
    throw new Error(`kernel ${this.#kernel.name}: ${message}`);
  }
}
