/** What a module consists of: all that its bytes and its text are made from. */
import type { Expression } from './code.ts';
import type { Callable, Global } from './control.ts';
import type { WasmFunction } from './function.ts';
import type { Item } from './immediates.ts';

/** How many pages of 64 KiB a memory has at first, and may have at most. */
export interface Limits {
  readonly min: number;
  readonly max?: number;
  /** Whether threads may share it; it then needs a `max`. */
  readonly shared?: boolean;
}

export interface Memory extends Item<'memory'> {
  readonly limits: Limits;
}

/** What can be exported. */
export type Exportable = Item<'function' | 'global' | 'memory'>;

export interface Parts {
  /** What comes from outside, as `imports[module][name]`. */
  readonly imports: {
    readonly module: string;
    readonly name: string;
    readonly item: Callable | Memory;
  }[];
  readonly functions: WasmFunction[];
  readonly memories: Memory[];
  readonly globals: { readonly global: Global; readonly initial: Expression }[];
  readonly exports: { readonly name: string; readonly item: Exportable }[];
}
