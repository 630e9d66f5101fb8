/** Prints what the machine can do at most, on one thread: `npm run bench probe`. */
import { features } from '@mambagrad/wasm';
import { probe } from './support/probe.ts';

for (const fuse of features().relaxedSimd ? [false, true] : [false]) {
  const { rate, bandwidth } = probe(fuse);
  const how = fuse ? 'fused multiply-add' : 'multiply, then add';
  console.log(`${how}: ${(rate / 1e9).toFixed(1)} GFLOP/s`);
  for (const { bytes, rate: reading } of fuse ? [] : bandwidth) {
    console.log(`reading ${bytes / 1024} KiB: ${(reading / 1e9).toFixed(1)} GB/s`);
  }
}
