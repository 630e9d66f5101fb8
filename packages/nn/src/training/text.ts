/**
 * JSON among the tensors of a checkpoint: a tensor of character codes.
 */
import { type Tensor, tensor } from '@mambagrad/tensor';

/** A text as a checkpoint holds it, i32 [characters]. */
export function encodeText(text: string): Tensor {
  return tensor(Array.from(text, (character) => character.charCodeAt(0)), { dtype: 'i32' });
}

/** The object whose JSON `encodeText` has encoded; undefined if it is not JSON. */
export function decodeText(encoded: Tensor): unknown {
  const text = Array.from(encoded.data, (code) => String.fromCharCode(code)).join('');
  try {
    return Object(JSON.parse(text)) as unknown;
  } catch {
    return undefined;
  }
}
