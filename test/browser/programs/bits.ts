/** Results as text that can be compared: one number that depends on every bit of a tensor. */
import type { Tensor } from 'mambagrad';

/** Dtype, shape, and the FNV-1a hash of the elements: another bit gives another hash. */
export function bitsOf(x: Tensor): string {
  const { data } = x.detach();
  let hash = 0x811c9dc5;
  for (const byte of new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return `${x.dtype}[${x.shape.join(', ')}] ${(hash >>> 0).toString(16)}`;
}

/** The bits of each tensor by its name. */
export function bitsByName(tensors: Iterable<readonly [string, Tensor]>): Record<string, string> {
  return Object.fromEntries(Array.from(tensors, ([name, x]) => [name, bitsOf(x)]));
}
