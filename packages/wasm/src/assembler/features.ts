/** What the engine can do beyond plain WebAssembly, found out by showing it tiny modules. */
import { webAssembly } from '../common/host.ts';
import { type Expression, f32x4, i32 } from './code.ts';
import { drop } from './control.ts';
import { Module } from './module.ts';

/** Which extensions of WebAssembly the engine has; all false where there is no WebAssembly. */
export interface Features {
  /** Vectors of 128 bits. */
  readonly simd: boolean;
  /** `f32x4.relaxed_madd` and `f32x4.relaxed_nmadd`. */
  readonly relaxedSimd: boolean;
  /** Shared memory and atomics. A page must be cross-origin isolated, too, to make use of it. */
  readonly threads: boolean;
}

let found: Features | undefined;

/** What the engine can do; found out at the first call. */
export function features(): Features {
  const vector = f32x4.splat(0);
  found ??= {
    simd: isValid(vector),
    relaxedSimd: isValid(f32x4.relaxed_madd(vector, vector, vector)),
    threads: isValid(i32.atomic.load(0)),
  };
  return found;
}

function isValid(code: Expression): boolean {
  const module = new Module();
  if (code.instruction.includes('atomic')) module.memory({ min: 0, max: 0, shared: true });
  module.function('probe', {}, 'none', () => [drop(code)]);
  return webAssembly()?.validate(module.bytes()) ?? false;
}
