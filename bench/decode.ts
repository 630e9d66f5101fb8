/**
 * One step of a model at a time, as in writing or in watching a stream, where all weights are read
 * for one row of numbers: so the bound is the time that reading them takes. The last line printed
 * is JSON.
 *
 *     npm run bench decode -- [--layers 24] [--batch 1] [--tokens 16] [--threads 1] [--profile]
 *
 * First a language model of 130M parameters, then the encoder of `Mamba.recommendedDefaults()`, for
 * which a whole window is read at once as well: there the bound is the time of its products.
 */
import { Mamba, MambaLM } from '@mambagrad/mamba';
import type { Module } from '@mambagrad/nn';
import {
  compile, type Compiled, formatKernels, full, noGrad, normal, setThreads,
  type Tensor, tensor, withoutValues,
} from '@mambagrad/tensor';
import { parseArgs } from 'node:util';
import { boundOf, probe } from './support/probe.ts';

const { values } = parseArgs({
  options: {
    layers: { type: 'string', default: '24' },
    batch: { type: 'string', default: '1' },
    tokens: { type: 'string', default: '16' },
    threads: { type: 'string', default: '1' },
    profile: { type: 'boolean', default: false },
  },
});
const [layers, batch, tokens] = [values.layers, values.batch, values.tokens].map(Number);
setThreads(Number(values.threads));
const machine = probe(true);

interface Line {
  readonly work: string;
  readonly medianMs: number;
  readonly minMs: number;
  readonly boundMs: number;
  readonly bytes: number;
}

function timed(
  work: string, count: number, bound: Pick<Line, 'boundMs' | 'bytes'>, run: () => void,
) {
  for (let i = 0; i < 3; i++) run();
  const times = Array.from({ length: count }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  }).sort((a, b) => a - b);
  return { work, medianMs: times[Math.floor(count / 2)], minMs: times[0], ...bound };
}

/** The time of each kernel, the least of ten calls. */
function printProfile<Args extends unknown[]>(f: Compiled<Args, unknown>, ...args: Args): void {
  const runs = Array.from({ length: 10 }, () => f.profile(...args));
  const least = (i: number) => Math.min(...runs.map((one) => one[i].milliseconds ?? Infinity));
  console.log(formatKernels(runs[0].map((one, i) => ({ ...one, milliseconds: least(i) }))));
}

const bytesOf = (model: Module): number => 4 * model.parameterCount();
const reading = (bytes: number) => ({ bytes, boundMs: boundOf(machine, 0, bytes) });

function decoding(): Line {
  const sizes = { vocabSize: 50280, hiddenSize: 768, numLayers: layers, stateSize: 16 };
  // To draw the first values takes longer than all else here.
  const model = withoutValues(() => new MambaLM(sizes));
  for (const parameter of model.parameters()) parameter.assign(full(parameter.shape, 0.01));
  let state = model.initialState(batch);
  const step = () => {
    const { y, state: next } = model.step(tensor(new Int32Array(batch).fill(7)), state);
    state = next;
    return y.data[0];
  };
  const line = timed(`a token, batch ${batch}`, tokens, reading(bytesOf(model)), step);
  if (values.profile) {
    const f = compile((x: Tensor, before: typeof state) =>
      noGrad(() => model.scan(x, { state: before }, true)),
    );
    printProfile(f, tensor([[7]], { dtype: 'i32' }), model.initialState(1));
  }
  return line;
}

function encoding(): Line[] {
  const options = { embedDim: 287, ...Mamba.recommendedDefaults() };
  const model = new Mamba(options);
  const { hiddenSize = 256, windowSize = 60 } = options;
  const window = normal([batch, windowSize, options.embedDim]);
  let state = model.initialState(batch);
  const x = normal([batch, options.embedDim]);
  // Every matrix is multiplied with every step, but for the last: only the last step needs it.
  const weights = model.namedParameters()
    .filter(([name, { ndim }]) => ndim === 2 && !name.endsWith('ALog'))
    .reduce((sum, [, { numel }]) => sum + numel, 0);
  const [last] = model.layers.slice(-1);
  const spared = (windowSize - 1) * last.mixer.outProj.weight.numel;
  const operations = 2 * batch * (windowSize * weights - spared);
  const products = { bytes: bytesOf(model), boundMs: boundOf(machine, operations, 0) };
  const step = () => ({ state } = model.step(x, state));
  const lines = [
    timed(`predict, ${windowSize} steps of ${hiddenSize}`, 400, products, () =>
      model.predict(window),
    ),
    timed('a step of the same', 2000, reading(bytesOf(model)), step),
  ];
  if (values.profile) {
    const f = compile((rows: Tensor) => noGrad(() => model.eval().forward(rows)));
    printProfile(f, window);
    const g = compile((row: Tensor, before: typeof state) =>
      noGrad(() => model.scan(row, { state: before }, true)),
    );
    printProfile(g, x.unsqueeze(1), state);
  }
  return lines;
}

const lines = [...encoding(), decoding()];
const width = Math.max(...lines.map(({ work }) => work.length));
for (const { work, medianMs, minMs, boundMs, bytes } of lines) {
  const times = [medianMs, minMs, boundMs].map((time) => time.toFixed(3).padStart(8));
  console.log(
    `${work.padEnd(width)} ${times[0]} ms, at best ${times[1]} ms; bound ${times[2]} ms ` +
      `(${(bytes / 1e6).toFixed(1)} MB): ${(minMs / boundMs).toFixed(2)} of it at best`,
  );
}
console.log(JSON.stringify({ node: process.version, probe: machine, lines }));
