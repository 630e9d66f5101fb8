/** Feature detection: which extensions of WebAssembly the engine has, found with tiny modules. */
import { webAssembly } from '../common/host.ts';
import { type Expression, f32x4, i32 } from './code.ts';
import { drop } from './control.ts';
import { Module } from './module.ts';

/** The extensions of WebAssembly that the engine has; all false where there is no WebAssembly. */
export interface Features {
  /** Vectors of 128 bits. */
  readonly simd: boolean;
  /** `f32x4.relaxed_madd` and `f32x4.relaxed_nmadd`. */
  readonly relaxedSimd: boolean;
  /** Shared memory and atomics. A web page must also be cross-origin isolated to use them. */
  readonly threads: boolean;
}

let found: Features | undefined;

/** The extensions that the engine has, detected at the first call. */
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
