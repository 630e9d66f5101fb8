/**
 * Kinds of options that several tables have in common.
 */
import { Tensor } from '@mambagrad/tensor';
import { Kind } from '@mambagrad/tensor/options';

/** Plain objects, whose fields are checked elsewhere; `expected` is their name in errors. */
export const objects = (expected: string): Kind<never> =>
  new Kind(expected, (x) => {
    const isData = Array.isArray(x) || x instanceof Tensor;
    return typeof x === 'object' && x !== null && !isData;
  });
