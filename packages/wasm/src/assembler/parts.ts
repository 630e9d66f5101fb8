/** The parts of a module, from which its bytes and its text are made; and functions among them. */
import {
  type Code, type Expression, type Operand, operand, type Statement, type Statements,
} from './code.ts';
import {
  type Callable, type Global, instruct, type Local, type Parameters, statementsOf, variable,
} from './control.ts';
import { asList, type List } from '../common/list.ts';
import type { Item } from './immediates.ts';
import type { ResultType, ValueType } from './instructions.ts';

export interface Parts {
  /** The imported functions and memories, `imports[module][name]`. */
  readonly imports: Readonly<{ module: string; name: string; item: Callable | Memory }>[];
  readonly functions: WasmFunction[];
  readonly memories: Memory[];
  readonly globals: Readonly<{ global: Global; initial: Expression }>[];
  readonly exports: Readonly<{ name: string; item: Exportable }>[];
}

/** The size of a memory, in pages of 64 KiB. */
export interface Limits {
  /** The initial number of pages, a whole number from 0 to 65536. */
  readonly min: number;
  /** The largest number of pages; by default 65536. Must be given if the memory is shared. */
  readonly max?: number | undefined;
  /** Whether threads may share the memory, which then needs a `max`. Default false. */
  readonly shared?: boolean | undefined;
}

/** The memory of a module, which may be imported. */
export interface Memory extends Item<'memory'> {
  /** Its size, and whether threads may share it. */
  readonly limits: Limits;
}

/** An item that can be exported. */
export type Exportable = Item<'function' | 'global' | 'memory'>;

/** The code of a function: statements, and at the end its result, if it has one. */
export type Body<R extends ResultType> = R extends ValueType
  ? readonly [...Statements, Operand<R>]
  : Statements;

/** Makes the code of a function, given its parameters and the function itself. */
export type BodyMaker<P extends Parameters, R extends ResultType> = (
  parameters: { readonly [K in keyof P]: Local<P[K]> },
  self: WasmFunction<P, R>,
) => Body<R>;

/** A function of a module. Local variables can be added to it while its code is made. */
export interface WasmFunction<
  P extends Parameters = Parameters, R extends ResultType = ResultType,
> extends Callable<P, R> {
  /** The parameters, then the other locals. */
  readonly locals: List<Local>;
  /** Its statements, and at the end its result, if it has one; empty until they are made. */
  readonly code: readonly Code[];
  /** Adds a local variable, whose initial value is 0. */
  local<T extends ValueType>(name: string, type: T): Local<T>;
  /** Returns from the function, with its result if it has one. */
  return(...value: R extends ValueType ? [value: Operand<R>] : []): Statement;
}

/** Adds a function. It gets its place before its code is made, which may add other functions. */
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
    ...called, locals: asList(locals), code: [], local,
    return: (...value) => instruct('return', 'none', value.map(resultOf)),
  };
  functions.push(self as unknown as WasmFunction);
  const own = Object.entries(parameters).map(([key, type]) => [key, local(key, type)]);
  const body = [...make(Object.fromEntries(own), self)] as unknown[];
  const last = result === 'none' ? [] : [resultOf(body.pop())];
  const code = [...statementsOf(`function ${name}`, body as Statements), ...last];
  return Object.assign(self, { code });
}
