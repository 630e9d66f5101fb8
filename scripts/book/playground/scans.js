// One recurrence, h = a·h + b for each step, computed in four ways. They agree but for rounding;
// they differ in how much of the work can be done at the same time.
import { compile, linearScan, manualSeed, uniform } from 'mambagrad';

manualSeed(1);
const length = 1024;
const a = uniform([8, length, 16], 0.5, 1);
const b = uniform([8, length, 16], -1, 1);

const reference = linearScan(a, b, { axis: 1, algorithm: 'sequential' });
for (const algorithm of ['sequential', 'chunked', 'blelloch', 'hillisSteele']) {
  const f = compile((decay, input) => linearScan(decay, input, { axis: 1, algorithm }));
  const error = f(a, b).sub(reference).abs().max().item();
  let best = Infinity;
  for (let i = 0; i < 10; i++) {
    const begin = performance.now();
    f(a, b);
    best = Math.min(best, performance.now() - begin);
  }
  console.log(`${algorithm}: ${best.toFixed(2)} ms, largest difference ${error.toExponential(0)}`);
}
