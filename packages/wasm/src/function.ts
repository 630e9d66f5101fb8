/** A function under construction: its parameters, its locals, its code. */
import { type Code, type Operand, operand, type Statement, type Statements } from './code.ts';
import { type Callable, type Local, makeLocal, type Parameters, statementsOf } from './control.ts';
import type { Reference } from './immediates.ts';
import type { ResultType, ValueType } from './instructions.ts';

/** The code of a function: statements and, if it has a result, last of all the result. */
export type Body<R extends ResultType> = R extends ValueType
  ? readonly [...Statements, Operand<R>]
  : Statements;

/** From a function's parameters, and the function itself, its code. */
export type BodyMaker<P extends Parameters, R extends ResultType> = (
  parameters: { readonly [K in keyof P]: Local<P[K]> },
  self: WasmFunction<P, R>,
) => Body<R>;

export class WasmFunction<P extends Parameters = Parameters, R extends ResultType = ResultType>
implements Callable<P, R> {
  readonly reference: Reference & { readonly kind: 'function' };
  readonly parameters: P;
  readonly result: R;
  /** The parameters, then the other locals. */
  readonly locals: Local[] = [];
  readonly code: readonly Code[];

  constructor(name: string, parameters: P, result: R, make: BodyMaker<P, R>) {
    this.reference = { kind: 'function', name };
    this.parameters = parameters;
    this.result = result;
    const own = Object.entries(parameters).map(([key, type]) => [key, this.local(key, type)]);
    const body = [...make(Object.fromEntries(own), this)] as unknown[];
    const last = result === 'none' ? [] : [body.pop() as Operand<ValueType>];
    const results = last.map((value) => this.#resultOf(value));
    this.code = [...statementsOf(`function ${name}`, body as Statements), ...results];
  }

  /** A new local variable, 0 at first. */
  local<T extends ValueType>(name: string, type: T): Local<T> {
    const local = makeLocal(name, type);
    this.locals.push(local);
    return local;
  }

  /** Leaves the function, with its result if it has one. */
  return(...value: R extends ValueType ? [value: Operand<R>] : []): Statement {
    const operands = (value as readonly Operand<ValueType>[]).map((v) => this.#resultOf(v));
    return { type: 'none', name: 'return', opcode: 0x0f, operands, immediates: [] };
  }

  #resultOf(value: Operand<ValueType>): Code<ValueType> {
    const { reference, result } = this;
    return operand(`result of function ${reference.name}`, result as ValueType, value);
  }
}
