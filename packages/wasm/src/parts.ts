/** What a module consists of: all that its bytes and its text are made from. */
import type { Expression } from './code.ts';
import type { Callable, Global, Parameters } from './control.ts';
import type { WasmFunction } from './function.ts';
import type { Reference } from './immediates.ts';
import type { ResultType } from './instructions.ts';

/** How many pages of 64 KiB a memory has at first, and may have at most. */
export interface Limits {
  readonly min: number;
  readonly max?: number;
  /** Whether threads may share it; it then needs a `max`. */
  readonly shared?: boolean;
}

/** Where an import comes from: `imports[module][name]`. */
export interface Origin {
  readonly module: string;
  readonly name: string;
}

export interface Memory {
  readonly reference: Reference & { readonly kind: 'memory' };
  readonly limits: Limits;
  readonly origin: Origin | undefined;
}

/** A function that is imported. */
export interface ImportedFunction<
  P extends Parameters = Parameters,
  R extends ResultType = ResultType,
> extends Callable<P, R> {
  readonly origin: Origin;
}

/** What can be exported. */
export interface Exportable {
  readonly reference: Reference & { readonly kind: 'function' | 'global' | 'memory' };
}

export interface ModuleParts {
  readonly imports: ImportedFunction[];
  readonly functions: WasmFunction[];
  memory: Memory | undefined;
  readonly globals: { readonly global: Global; readonly initial: Expression }[];
  readonly exports: (Exportable & { readonly name: string })[];
  readonly data: { readonly address: Expression; readonly bytes: readonly number[] }[];
}

/** All that has a number in the whole module: functions, imported ones first; globals; memory. */
export function numbered(parts: ModuleParts): readonly (readonly Reference[])[] {
  return [
    [...parts.imports, ...parts.functions].map(({ reference }) => reference),
    parts.globals.map(({ global }) => global.reference),
    parts.memory === undefined ? [] : [parts.memory.reference],
  ];
}
