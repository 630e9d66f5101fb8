/**
 * Variables and control flow. A label is a value that its block passes to its body, and branches
 * name it. The encoder computes the number of blocks between the two, which is what the binary
 * format needs.
 */
import {
  type Code, type Expression, i32, type Operand, operand, type Statement, type Statements,
} from './code.ts';
import type { Item, Label, Reference } from './immediates.ts';
import type { ResultType, ValueType } from './instructions.ts';

/** A variable; as an operand it is read. */
type Variable<T extends ValueType, Kind> = Expression<T> & Item<Kind>;

/** A local variable of a function. */
export type Local<T extends ValueType = ValueType> = Variable<T, 'local'>;

/** A global variable of a module. Each instance, and so each thread, has its own. */
export type Global<T extends ValueType = ValueType> = Variable<T, 'global'>;

/** The parameters of a function, by name, in order. */
export type Parameters = Readonly<Record<string, ValueType>>;

/** A function that can be called: one of the module, or an imported one. */
export interface Callable<P extends Parameters = Parameters, R extends ResultType = ResultType>
  extends Item<'function'> {
  /** The types of the arguments by name, in the order in which they are passed. */
  readonly parameters: P;
  /** The type of the value that a call leaves, or 'none'. */
  readonly result: R;
}

/** The instructions that are not in the table. */
export const opcodes = {
  unreachable: 0x00, block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c,
  br_if: 0x0d, return: 0x0f, call: 0x10, drop: 0x1a, select: 0x1b,
  'local.get': 0x20, 'local.set': 0x21, 'local.tee': 0x22, 'global.get': 0x23, 'global.set': 0x24,
} as const;

/** The type of a block that leaves no value. */
export const emptyBlock = 0x40;

export function instruct<T extends ResultType>(
  name: keyof typeof opcodes, type: T, operands: readonly Expression[], ...to: readonly Reference[]
): Code<T> {
  return { type, instruction: name, opcode: opcodes[name], operands, immediates: to };
}

/** A variable, which as an expression reads itself. */
export function variable<T extends ValueType, Kind extends 'local' | 'global'>(
  item: Item<Kind>, type: T,
): Variable<T, Kind> {
  const { kind, name, number, home } = item;
  const instruction = kind === 'local' ? 'local.get' : 'global.get';
  const opcode = opcodes[instruction];
  // All are made in one way, field by field: a kernel has hundreds of locals.
  const immediates = new Array<Reference>(1);
  const made = { kind, name, number, home, type, instruction, opcode, operands: [], immediates };
  immediates[0] = made;
  return made;
}

/** Assigns a value to a variable. */
export function set<T extends ValueType>(to: Local<T> | Global<T>, value: Operand<T>): Statement {
  const taken = operand(`${to.kind}.set ${to.name}`, to.type, value);
  return instruct(`${to.kind}.set`, 'none', [taken], to);
}

/** Assigns a value to a local variable, and has that value. */
export function tee<T extends ValueType>(to: Local<T>, value: Operand<T>): Expression<T> {
  return instruct('local.tee', to.type, [operand(`local.tee ${to.name}`, to.type, value)], to);
}

/** Computes a value and discards it. */
export function drop(value: Expression): Statement {
  return instruct('drop', 'none', [value]);
}

/** The first value if the condition is not 0, else the second; both are computed. */
export function select<T extends ValueType>(
  condition: Operand<'i32'>, whenTrue: Expression<T>, whenFalse: Expression<T>,
): Expression<T> {
  const { type } = whenTrue;
  const values = [whenTrue, operand('select', type, whenFalse)];
  return instruct('select', type, [...values, operand('select', 'i32', condition)]);
}

/** Calls a function with arguments by name, which are computed in the order of its parameters. */
export function call<P extends Parameters, R extends ResultType>(
  called: Callable<P, R>, given: { readonly [K in keyof P]: Operand<P[K]> },
): Code<R> {
  const { parameters, name: to } = called;
  const where = `call ${to}`;
  const extra = Object.keys(given).find((name) => !Object.hasOwn(parameters, name));
  if (extra !== undefined) {
    const names = Object.keys(parameters).join(', ');
    throw new Error(`${where}: there is no parameter ${extra}, only [${names}]`);
  }
  return callInOrder(called, Object.keys(parameters).map((name) => given[name]));
}

/** Calls a function with arguments in the order of its parameters. */
export function callInOrder<P extends Parameters, R extends ResultType>(
  called: Callable<P, R>, given: readonly Operand<P[keyof P]>[],
): Code<R> {
  const { parameters, result, name: to } = called;
  let i = 0;
  const operands: Expression[] = [];
  for (const name in parameters) {
    const [type, value] = [parameters[name], given[i++]];
    const isOfType = typeof value === 'object' && value.type === type;
    operands.push(isOfType ? value : operand(`call ${to}: ${name}`, type, value));
  }
  return instruct('call', result, operands, called);
}

/** Statements as the bytes of a `CodeWriter`, for a function that has the same locals. */
export function assembled(bytes: Uint8Array): Statement {
  const nothing = { instruction: '', opcode: 0, operands: [], immediates: [] };
  return { type: 'none', ...nothing, assembled: bytes };
}

/** Calls a function with the arguments that the bytes of a `CodeWriter` push, in order. */
export function callPushed<P extends Parameters, R extends ResultType>(
  called: Callable<P, R>, bytes: Uint8Array,
): Code<R> {
  return instruct('call', called.result, [assembled(bytes) as Code as Expression], called);
}

/** Traps, which stops the program with an error. */
export const unreachable: Statement = instruct('unreachable', 'none', []);

/** Statements as a flat list. Throws if one of them is an expression. */
export function statementsOf(where: string, statements: Statements): Statement[] {
  const flat: Statement[] = [];
  const addAll = (list: Statements): void => {
    for (let i = 0; i < list.length; i++) {
      const one = list[i];
      if (Array.isArray(one)) addAll(one as Statements);
      else flat.push(one as Statement);
    }
  };
  addAll(statements);
  const left = flat.find(({ type }) => type !== 'none') as Code | undefined;
  if (left === undefined) return flat;
  const what = `${left.instruction} leaves an ${left.type} that nothing takes`;
  throw new Error(`${where}: ${what}; use drop`);
}

/** An instruction that has a label and blocks. */
function enclosing(head: Statement, label: Label, ...bodies: readonly Statements[]): Statement {
  const where = `${head.instruction} ${label.name}`;
  return { ...head, label, bodies: bodies.map((body) => statementsOf(where, body)) };
}

/** A block; a branch to its label goes to its end. */
export function block(name: string, body: (end: Label) => Statements): Statement {
  const label: Label = { kind: 'label', name };
  return enclosing(instruct('block', 'none', []), label, body(label));
}

/** A loop; a branch to its label starts the next iteration, and its end leaves it. */
export function loop(name: string, body: (again: Label) => Statements): Statement {
  const label: Label = { kind: 'label', name };
  return enclosing(instruct('loop', 'none', []), label, body(label));
}

/** Runs the first statements if the condition is not 0, else the others. */
export function when(
  condition: Operand<'i32'>, then: Statements, otherwise: Statements = [],
): Statement {
  const head = instruct('if', 'none', [operand('if', 'i32', condition)]);
  const branches = otherwise.length === 0 ? [then] : [then, otherwise];
  // An if is a target of branches too, but its label is not passed on, so there are none.
  return enclosing(head, { kind: 'label', name: '' }, ...branches);
}

/** Branches to a label. */
export function branch(label: Label): Statement {
  return instruct('br', 'none', [], label);
}

/** Branches to a label if the condition is not 0. */
export function branchIf(label: Label, condition: Operand<'i32'>): Statement {
  return instruct('br_if', 'none', [operand('br_if', 'i32', condition)], label);
}

/**
 * Runs `body` with i = from, from + step, … while i < to, as signed integers. `to` and `step` are
 * computed again in every iteration, so they should be locals or constants. `step` must be
 * positive, and `to` at least one step below 2³¹.
 */
export function forRange(
  i: Local<'i32'>,
  from: Operand<'i32'>, to: Operand<'i32'>, step: Operand<'i32'>,
  body: Statements,
): Statement[] {
  const isNext = (): Expression<'i32'> => i32.lt_s(tee(i, i32.add(i, step)), to);
  const iterations = loop(i.name, (next) => [body, branchIf(next, isNext())]);
  const isEntered = typeof from === 'number' && typeof to === 'number' && from < to;
  return isEntered
    ? [set(i, from), iterations]
    : [when(i32.lt_s(tee(i, from), to), [iterations])];
}
