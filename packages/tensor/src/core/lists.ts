/**
 * Lists of tensors whose number the caller knows, so that TypeScript takes none of them for
 * undefined: `const [a, b] = x.chunk(2)`, `const [gx, gw] = grad(loss, [x, w])`.
 */
import type { List } from '@mambagrad/wasm';
import type { Tensor } from './tensor.ts';

/** Tensors whose number the caller knows, such as the pieces of one. */
export type Tensors = Tensor[] & List<Tensor>;

/** A tensor for each of these: of an array literal a tuple, as long as it is. */
export type TensorsFor<Items extends readonly unknown[]> = number extends Items['length']
  ? Tensors
  : { -readonly [I in keyof Items]: Tensor };
