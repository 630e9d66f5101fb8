/**
 * The body of a WebAssembly function for the statements of a kernel: stores, assignments, branches
 * and loops. It is written as bytes at once; functionExpression.ts writes the values in it.
 *
 * A variable is a local, and a vector of four lanes is one SIMD register. Vector constants are
 * loaded into locals before the loops, from mutable globals: engines would otherwise build each
 * constant again in every iteration.
 */
import { CodeWriter, type Local, type Module } from '@mambagrad/wasm';
import { type Buffer, type Expr, lanesOf, type Load } from '../language/expression.ts';
import type { Kernel } from '../language/kernel.ts';
import { isContiguous } from '../language/memory.ts';
import type { Loop, Statement } from '../language/statement.ts';
import {
  constantName, type Emission, localOf, push, pushAndHold, pushPlace, type Target,
  type VectorConstant, wasmType,
} from './functionExpression.ts';
import { type Address, Pointers } from './inductionVariables.ts';

/** The code of some statements of a kernel, and the constants that have to be loaded before it. */
interface Emitted {
  readonly constants: readonly VectorConstant[];
  readonly bytes: Uint8Array;
}

/** Emits the code of some statements of a kernel. */
export function emit(kernel: Kernel, body: readonly Statement[], target: Target): Emitted {
  const to: Emission = {
    ...target,
    locals: new Map(target.locals),
    pointers: new Pointers(target.self, (buffer, bytes) => (
      addressOf(kernel, target, buffer, bytes)
    )),
    constants: new Map(),
    code: new CodeWriter(),
  };
  addAll(to, body);
  return { constants: [...to.constants.values()], bytes: to.code.all() };
}

/** Writes the code that loads vector constants into their locals, from globals of the module. */
export function loadConstants(module: Module, constants: readonly VectorConstant[]): Uint8Array {
  const code = new CodeWriter();
  for (const { kind, value, local } of constants) {
    const global = module.global(constantName(kind, value), kind, value);
    code.global(global).op(`${kind}x4.splat`).set(local);
  }
  return code.all();
}

/** The address of a byte of a buffer, given its offset. */
function addressOf(
  kernel: Kernel, { locals, given }: Target, buffer: Buffer, bytes: number,
): Address {
  if (buffer.at !== undefined) return { local: undefined, bytes: buffer.at + bytes };
  const place = kernel.scratch.get(buffer) ?? 0;
  const sharedBytes = kernel.scratchBytes - kernel.threadLocalBytes;
  const isOwn = buffer.isScratch && place >= sharedBytes;
  const local = locals.get(buffer) ?? (isOwn ? given.own : given.scratch);
  return { local, bytes: bytes + (isOwn ? place - sharedBytes : place) };
}

function addAll(to: Emission, statements: readonly Statement[]): void {
  for (const one of statements) addStatement(to, one);
}

function addStatement(to: Emission, one: Statement): void {
  const { code, pointers } = to;
  if (one.statement === 'loop') {
    addLoop(to, one);
  } else if (one.statement === 'when') {
    const [then, otherwise] = one.bodies;
    push(to, one.values[0]);
    code.if();
    pointers.apart(() => addAll(to, then));
    if (otherwise.length > 0) {
      code.else();
      pointers.apart(() => addAll(to, otherwise));
    }
    code.end();
  } else if (one.target.node === 'load') {
    addStore(to, one.target, one.values[0]);
  } else {
    push(to, one.values[0]);
    code.set(localOf(to, one.target));
  }
}

/** A loop; a parallel one runs the iterations that the function is called for. */
function addLoop(to: Emission, one: Loop): void {
  const { code, given } = to;
  const [first, end] = one.isParallel
    ? [given.from, given.to]
    : one.values.map((bound) => (bound.node === 'constant' ? bound.value : held(to, bound)));
  // The body is written before the code that sets its pointers, which comes before the loop.
  const body = new CodeWriter();
  to.code = body;
  const { before, after } = to.pointers.within(one, first, () => addAll(to, one.bodies[0]));
  to.code = code;
  const counter = localOf(to, one.counter);
  const isEntered = typeof first === 'number' && typeof end === 'number' && first < end;
  code.append(before);
  pushBound(code, first);
  if (isEntered) code.set(counter);
  else pushBound(code.tee(counter), end).op('i32.lt_s').if();
  code.loop().append(body).append(after).get(counter).i32(one.step).op('i32.add').tee(counter);
  pushBound(code, end).op('i32.lt_s').branchIf().end();
  if (!isEntered) code.end();
}

function pushBound(code: CodeWriter, bound: Local | number): CodeWriter {
  return typeof bound === 'number' ? code.i32(bound) : code.get(bound);
}

/** A local that holds a value: the value is computed once, before the code that uses it. */
function held(to: Emission, value: Expr): Local {
  if (value.node === 'variable') return localOf(to, value);
  push(to, value);
  const local = to.self.local('bound', wasmType(value));
  to.code.set(local);
  return local;
}

function addStore(to: Emission, target: Load, value: Expr): void {
  if (lanesOf(target) === 1 || isContiguous(target.index)) {
    const offset = pushPlace(to, target);
    push(to, value);
    to.code.access(`${wasmType(target)}.store`, offset);
    return;
  }
  let lanes: Local | undefined;
  const vectors = new Map<Expr, Local>();
  for (let lane = 0; lane < 4; lane++) {
    const offset = pushPlace(to, target, lane, vectors);
    if (lanes === undefined) lanes = pushAndHold(to, 'lanes', value);
    else to.code.get(lanes);
    to.code.access('v128.store32_lane', offset, lane);
  }
}
