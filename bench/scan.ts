/**
 * The scan's algorithms over lengths: time per element, and relative to the sequential loop. On one
 * thread the sequential one does the least work; the others pay for shortness of the longest path.
 *
 *     npm run bench -- scan
 */
import { linearScan, type ScanAlgorithm, uniform } from '@mambagrad/tensor';
import { Bench } from 'tinybench';

const algorithms: readonly ScanAlgorithm[] = [
  'sequential',
  'blelloch',
  'hillisSteele',
  'chunked',
];
const CHANNELS = 64;

console.log(`linearScan over [length, ${CHANNELS}] float32, median time per element`);
console.log(['length', ...algorithms].map((name) => name.padStart(22)).join(''));
for (let power = 4; power <= 14; power += 2) {
  const length = 2 ** power;
  const a = uniform([length, CHANNELS], -1, 1);
  const b = uniform([length, CHANNELS], -1, 1);
  const bench = new Bench({ time: 200, warmupTime: 100 });
  for (const algorithm of algorithms) bench.add(algorithm, () => linearScan(a, b, { algorithm }));
  await bench.run();
  const medians = bench.tasks.map(({ result }) =>
    'latency' in result ? result.latency.p50 : Number.NaN,
  );
  const cells = medians.map((median) => {
    const nanoseconds = (1e6 * median) / (length * CHANNELS);
    return `${nanoseconds.toFixed(2)} ns  ×${(median / medians[0]).toFixed(2)}`.padStart(22);
  });
  console.log(String(length).padStart(22) + cells.join(''));
}
