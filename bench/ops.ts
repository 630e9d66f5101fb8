/** Ops, eagerly and compiled: `npm run bench ops [-- --long]`. */
import { MambaLM } from '@mambagrad/mamba';
import { layerNorm, rmsNorm } from '@mambagrad/nn';
import { grad, integers, normal, type Tensor, uniform } from '@mambagrad/tensor';
import { inAllWays, ways } from './support/ways.ts';
import { isProgram, type Plan, type PlannedRow, runSuites, type Suite } from './support/suite.ts';

type Op = (...inputs: Tensor[]) => Tensor;

const N = 512;

/** One row for each op, all with the same inputs. */
function planOps(title: string, inputs: readonly Tensor[], ops: Record<string, Op>): Plan {
  const rows = Object.entries(ops).map(([name, op]) => ({ name, calls: inAllWays(op, ...inputs) }));
  return { title: `${title}, time of a call`, columns: ways, rows };
}

/** The gradient of the squares of what an op gives, with respect to its input. */
const gradientOf = (op: (x: Tensor) => Tensor): Op => (x) => {
  const input = x.detach();
  input.requiresGrad = true;
  return grad(op(input).square().sum(), [input])[0];
};

const transposed = (x: Tensor): Tensor => x.transpose(-1, -2);

/** Products from the smallest to the largest: name, shapes of a and b, and how they are used. */
const products: readonly [string, readonly number[], readonly number[], Op][] = [
  ['[64, 64] [64, 64]', [64, 64], [64, 64], (a, b) => a.matmul(b)],
  ['[1, 512] [512, 512]', [1, 512], [512, 512], (a, b) => a.matmul(b)],
  ['[16, 64, 64] [16, 64, 64]', [16, 64, 64], [16, 64, 64], (a, b) => a.matmul(b)],
  ['[256, 256] [256, 256]', [256, 256], [256, 256], (a, b) => a.matmul(b)],
  ['the same, a bᵀ', [256, 256], [256, 256], (a, b) => a.matmul(transposed(b))],
  ['the same, aᵀ b', [256, 256], [256, 256], (a, b) => transposed(a).matmul(b)],
  ['the same, aᵀ bᵀ', [256, 256], [256, 256], (a, b) => transposed(a).matmul(transposed(b))],
  ['[2048, 64] [64, 256]', [2048, 64], [64, 256], (a, b) => a.matmul(b)],
  ['[64, 2048] [2048, 256]', [64, 2048], [2048, 256], (a, b) => a.matmul(b)],
  ['[512, 512] [512, 512]', [512, 512], [512, 512], (a, b) => a.matmul(b)],
];

function* productRows(): Iterable<PlannedRow> {
  for (const [name, a, b, op] of products) {
    const count = 2 * a.reduce((x, y) => x * y) * b.slice(-1)[0];
    yield { name, count, calls: inAllWays(op, normal(a), normal(b)) };
  }
}

export const ops: Suite = {
  name: 'ops',
  *plans(long) {
    const [x, y] = [normal([N, N]), normal([N, N])];
    const row = normal([N]);
    yield planOps(`Elementwise, x and y f32[${N}, ${N}], row f32[${N}]`, [x, y, row], {
      'x + y': (x, y) => x.add(y),
      'x + yᵀ': (x, y) => x.add(transposed(y)),
      'x + row': (x, _, row) => x.add(row),
      'x / y': (x, y) => x.div(y),
      'exp x': (x) => x.exp(),
      'tanh x': (x) => x.tanh(),
      'gelu x': (x) => x.gelu(),
      'silu x · y': (x, y) => x.silu().mul(y),
      'where x > 0, x, y': (x, y) => x.greater(0).where(x, y),
      'ten of mul and add': (x) => {
        let result = x;
        for (let i = 0; i < 5; i++) result = result.mul(1.1 + i / 10).add(0.5);
        return result;
      },
    });
    yield planOps(`Reductions of f32[${N}, ${N}]`, [x], {
      'sum of all': (x) => x.sum(),
      'sum over axis 0': (x) => x.sum(0),
      'sum over axis 1': (x) => x.sum(1),
      'max over axis 1': (x) => x.max(1),
      'argmax over axis 1': (x) => x.argmax(1),
      'var over axis 1': (x) => x.var(1),
      'cumsum along axis 0': (x) => x.cumsum(0),
    });
    yield planOps(`Softmax and norms of f32[${N}, ${N}] over axis 1`, [x, row, row], {
      softmax: (x) => x.softmax(),
      logSoftmax: (x) => x.logSoftmax(),
      logsumexp: (x) => x.logsumexp(1),
      rmsNorm: (x, weight) => rmsNorm(x, weight),
      layerNorm: (x, weight, bias) => layerNorm(x, weight, bias),
      'softmax, gradient': gradientOf((x) => x.softmax()),
      'layerNorm, gradient': gradientOf((x) => layerNorm(x, row, row)),
    });
    yield {
      title: 'Matrix products a b, operations (multiplications and additions) a second',
      quantity: 'rate', columns: ways, rows: productRows(), isGrowing: true,
    };
    const index = integers([N, N], 0, N);
    const tokens = integers([N], 0, N);
    const places = [x, y, index, tokens];
    yield planOps(`Reading and adding at ${N} × ${N} places of f32[${N}, ${N}]`, places, {
      'gather along axis 0': (x, _, index) => x.gather(0, index),
      'gather along axis 1': (x, _, index) => x.gather(1, index),
      [`indexSelect of ${N} rows`]: (x, _y, _, tokens) => x.indexSelect(0, tokens),
      'scatterAdd along axis 0': (x, y, index) => x.scatterAdd(0, index, y),
      'scatterAdd along axis 1': (x, y, index) => x.scatterAdd(1, index, y),
    });
    yield planOps('A million random numbers', [], {
      uniform: () => uniform([1000, 1000]),
      normal: () => normal([1000, 1000]),
      integers: () => integers([1000, 1000], 0, N),
    });
    if (!long) return;
    const sizes = { vocabSize: 50280, hiddenSize: 768, numLayers: 24 };
    yield {
      title: 'The initial parameters of a model, time of a call', columns: ['eager'],
      rows: [{ name: 'MambaLM of 130M', count: 1, calls: [() => new MambaLM(sizes)] }],
    };
  },
};

if (isProgram(import.meta.url)) await runSuites(ops);
