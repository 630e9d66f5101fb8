/**
 * Variables and the flow of control. A label is a value that exists inside its block only, and
 * branches name it; how many blocks lie between is worked out when the bytes are written.
 */
import {
  type Code, type Expression, i32, type Operand, operand, type Statement, type Statements,
} from './code.ts';
import type { Reference } from './immediates.ts';
import type { ResultType, ValueType } from './instructions.ts';

/** A variable; where it stands as an operand, its value at that time is read. */
interface Variable<T extends ValueType, Kind extends Reference['kind']> extends Expression<T> {
  readonly reference: Reference & { readonly kind: Kind };
}

/** A variable of a function. */
export type Local<T extends ValueType = ValueType> = Variable<T, 'local'>;

/** A variable of a module: each instance of it, and so each thread, has its own. */
export type Global<T extends ValueType = ValueType> = Variable<T, 'global'>;

/** Where a branch can go: to the end of a block, or to the start of a loop. */
export type Label = Reference & { readonly kind: 'label' };

/** The parameters of a function, by name, in order. */
export type Parameters = Readonly<Record<string, ValueType>>;

/** What can be called: a function of the module, or an imported one. */
export interface Callable<P extends Parameters = Parameters, R extends ResultType = ResultType> {
  readonly reference: Reference & { readonly kind: 'function' };
  readonly parameters: P;
  readonly result: R;
}

function instruction<T extends ResultType>(
  type: T,
  name: string,
  opcode: number,
  operands: readonly Expression[],
  ...immediates: readonly Reference[]
): Code<T> {
  return { type, name, opcode, operands, immediates };
}

export function makeLocal<T extends ValueType>(name: string, type: T): Local<T> {
  const reference = { kind: 'local', name } as const;
  return { ...instruction(type, 'local.get', 0x20, [], reference), reference };
}

export function makeGlobal<T extends ValueType>(name: string, type: T): Global<T> {
  const reference = { kind: 'global', name } as const;
  return { ...instruction(type, 'global.get', 0x23, [], reference), reference };
}

/** Gives a variable a value. */
export function set<T extends ValueType>(
  variable: Local<T> | Global<T>,
  value: Operand<T>,
): Statement {
  const { type, reference } = variable;
  const name = `${reference.kind}.set`;
  const operands = [operand(`${name} ${reference.name}`, type, value)];
  return instruction('none', name, reference.kind === 'local' ? 0x21 : 0x24, operands, reference);
}

/** Gives a local variable a value, and is that value. */
export function tee<T extends ValueType>(local: Local<T>, value: Operand<T>): Expression<T> {
  const { type, reference } = local;
  const operands = [operand(`local.tee ${reference.name}`, type, value)];
  return instruction(type, 'local.tee', 0x22, operands, reference);
}

/** Computes a value and forgets it. */
export function drop(value: Expression): Statement {
  return instruction('none', 'drop', 0x1a, [value]);
}

/** One of two values; both are computed. */
export function select<T extends ValueType>(
  condition: Operand<'i32'>,
  whenTrue: Expression<T>,
  whenFalse: Expression<T>,
): Expression<T> {
  const { type } = whenTrue;
  const values = [whenTrue, operand('select', type, whenFalse)];
  return instruction(type, 'select', 0x1b, [...values, operand('select', 'i32', condition)]);
}

/** Calls a function with its arguments by name; they are computed in the order of parameters. */
export function call<P extends Parameters, R extends ResultType>(
  { reference, parameters, result }: Callable<P, R>,
  given: { readonly [K in keyof P]: Operand<P[K]> },
): Code<R> {
  const where = `call ${reference.name}`;
  const extra = Object.keys(given).find((name) => !Object.hasOwn(parameters, name));
  if (extra !== undefined) {
    const names = Object.keys(parameters).join(', ');
    throw new Error(`${where}: there is no parameter ${extra}, only [${names}]`);
  }
  const operands = Object.entries(parameters).map(([name, type]) => (
    operand(`${where}: ${name}`, type, given[name])
  ));
  return instruction(result, 'call', 0x10, operands, reference);
}

/** Stops the program with an error. */
export const unreachable: Statement = instruction('none', 'unreachable', 0x00, []);

function structured(
  name: string,
  opcode: number,
  operands: readonly Expression[],
  label: Label,
  bodies: readonly Statements[],
): Statement {
  const flat = bodies.map((body) => statementsOf(`${name} ${label.name}`, body));
  return { ...instruction('none', name, opcode, operands), label, bodies: flat };
}

/** The statements of a list and the lists in it. Throws if one is an expression. */
export function statementsOf(where: string, statements: Statements): Statement[] {
  const flat = (statements as readonly unknown[]).flat(Infinity) as Statement[];
  const left = flat.find(({ type }) => type !== 'none') as Code | undefined;
  if (left !== undefined) {
    throw new Error(`${where}: ${left.name} leaves an ${left.type} that nothing takes; use drop`);
  }
  return flat;
}

/** A block; a branch to its label leaves it. */
export function block(name: string, body: (end: Label) => Statements): Statement {
  const label: Label = { kind: 'label', name };
  return structured('block', 0x02, [], label, [body(label)]);
}

/** A loop: a branch to its label runs it once more, and without one it is left at its end. */
export function loop(name: string, body: (again: Label) => Statements): Statement {
  const label: Label = { kind: 'label', name };
  return structured('loop', 0x03, [], label, [body(label)]);
}

/** Runs the first statements if the condition is not 0, else the others. */
export function when(
  condition: Operand<'i32'>,
  then: Statements,
  otherwise: Statements = [],
): Statement {
  const bodies = otherwise.length === 0 ? [then] : [then, otherwise];
  // An if can be branched to as well. Here nothing does: its label is known to nobody.
  const label: Label = { kind: 'label', name: '' };
  return structured('if', 0x04, [operand('if', 'i32', condition)], label, bodies);
}

/** Goes to a label. */
export function branch(label: Label): Statement {
  return instruction('none', 'br', 0x0c, [], label);
}

/** Goes to a label if the condition is not 0. */
export function branchIf(label: Label, condition: Operand<'i32'>): Statement {
  return instruction('none', 'br_if', 0x0d, [operand('br_if', 'i32', condition)], label);
}

/**
 * Runs `body` with i = from, from + step, … while i < to, as signed integers; not at all unless
 * from < to. `to` and `step` are computed again in every round: let them be locals or constants,
 * and `step` positive. `to` must be at least one step below 2³¹.
 */
export function forRange(
  i: Local<'i32'>,
  from: Operand<'i32'>,
  to: Operand<'i32'>,
  step: Operand<'i32'>,
  body: Statements,
): Statement {
  return when(i32.lt_s(tee(i, from), to), [
    loop(i.reference.name, (next) => [
      body,
      branchIf(next, i32.lt_s(tee(i, i32.add(i, step)), to)),
    ]),
  ]);
}
