/** What a module consists of, above all functions: what its bytes and its text are made from. */
import {
  type Code, type Expression, type Operand, operand, type Statement, type Statements,
} from './code.ts';
import {
  type Callable, type Global, instruct, type Local, type Parameters, statementsOf, variable,
} from './control.ts';
import type { Item } from './immediates.ts';
import type { ResultType, ValueType } from './instructions.ts';

export interface Parts {
  /** What comes from outside, as `imports[module][name]`. */
  readonly imports: Readonly<{ module: string; name: string; item: Callable | Memory }>[];
  readonly functions: WasmFunction[];
  readonly memories: Memory[];
  readonly globals: Readonly<{ global: Global; initial: Expression }>[];
  readonly exports: Readonly<{ name: string; item: Exportable }>[];
}

/** How many pages of 64 KiB a memory has at first, and may have at most. */
export interface Limits {
  /** How many pages there are at first, a whole number from 0 to 65536. */
  readonly min: number;
  /** Default: as many as there can be, 65536. Must be given if the memory is shared. */
  readonly max?: number | undefined;
  /** Whether threads may share it; it then needs a `max`. Default false. */
  readonly shared?: boolean | undefined;
}

/** The memory of a module, its own or an imported one. */
export interface Memory extends Item<'memory'> {
  /** How large it is, and whether threads share it. */
  readonly limits: Limits;
}

/** What can be exported. */
export type Exportable = Item<'function' | 'global' | 'memory'>;

/** The code of a function: statements and, if it has a result, last of all the result. */
export type Body<R extends ResultType> = R extends ValueType
  ? readonly [...Statements, Operand<R>]
  : Statements;

/** From a function's parameters, and the function itself, its code. */
export type BodyMaker<P extends Parameters, R extends ResultType> = (
  parameters: { readonly [K in keyof P]: Local<P[K]> },
  self: WasmFunction<P, R>,
) => Body<R>;

/**
 * A function of a module, which can be called, exported, and given more local variables while its
 * code is made.
 */
export interface WasmFunction<
  P extends Parameters = Parameters, R extends ResultType = ResultType,
> extends Callable<P, R> {
  /** The parameters, then the other locals. */
  readonly locals: readonly Local[];
  /**
   * Its statements and, if it has a result, last of all the result; empty while it is being made.
   */
  readonly code: readonly Code[];
  /** A new local variable, 0 at first. */
  local<T extends ValueType>(name: string, type: T): Local<T>;
  /** Leaves the function, with its result if it has one. */
  return(...value: R extends ValueType ? [value: Operand<R>] : []): Statement;
}

/** Makes a function, and adds it to the others before its code makes more of them. */
export function addFunction<P extends Parameters, R extends ResultType>(
  functions: WasmFunction[], called: Callable<P, R>, make: BodyMaker<P, R>,
): WasmFunction<P, R> {
  const { name, parameters, result } = called;
  const locals: Local[] = [];
  const local: WasmFunction['local'] = (key, type) => {
    const made = variable({ kind: 'local', name: key, number: locals.length, home: locals }, type);
    locals.push(made);
    return made;
  };
  const resultOf = (value: unknown): Expression => (
    operand(`result of function ${name}`, result as ValueType, value as Operand<ValueType>)
  );
  const self: WasmFunction<P, R> = {
    ...called, locals, code: [], local,
    return: (...value) => instruct('return', 'none', value.map(resultOf)),
  };
  functions.push(self as unknown as WasmFunction);
  const own = Object.entries(parameters).map(([key, type]) => [key, local(key, type)]);
  const body = [...make(Object.fromEntries(own), self)] as unknown[];
  const last = result === 'none' ? [] : [resultOf(body.pop())];
  const code = [...statementsOf(`function ${name}`, body as Statements), ...last];
  return Object.assign(self, { code });
}
