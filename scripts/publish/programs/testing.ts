/** The other entries: a kit of tests, which needs fast-check, and an op of one's own. */
import { compile, linearScan, tensor, type Tensor } from 'mambagrad';
import { k, unary } from 'mambagrad/extend';
import { checkScan } from 'mambagrad/testing';

const softsign = unary(
  'consumer.softsign', (x) => x / (1 + Math.abs(x)), (x) => k.div(x, k.add(1, k.abs(x))),
  (g, y) => g.mul(y.abs().neg().add(1).square()),
);
const y = compile((x: Tensor) => softsign(x))(tensor([1, -3]));
if (y.data.join() !== '0.5,-0.75') throw new Error(`softsign gave ${y}`);
void checkScan({
  tensors: true, supports: ['gradients'],
  run: ({ a, b }) => ({ y: linearScan(a, b, { axis: 1 }) }),
}, { numRuns: 3 }).then(() => console.log('checked'));
