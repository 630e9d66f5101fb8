/**
 * What a call costs beside its kernels, and the encoder at a batch of one, where that shows. Every
 * figure is set beside a bound of the same run. The last line printed is JSON.
 *
 *     npm run bench calls -- [--threads 1] [--seconds 1]
 *
 * First calls of functions with one small kernel: with one argument, with ten, and with a hundred
 * tensors of state, which a call should not look at one by one. Then the encoder of
 * `Mamba.recommendedDefaults()`: a whole window, beside its matrix products at the rate of the
 * probe, and a step of the recurrence, beside reading its weights once.
 */
import { Mamba } from '@mambagrad/mamba';
import { compile, normal, setThreads, type Tensor } from '@mambagrad/tensor';
import { features } from '@mambagrad/wasm';
import { parseArgs } from 'node:util';
import { boundOf, probe } from './support/probe.ts';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '1' },
  },
});
setThreads(Number(values.threads));

interface Line {
  readonly work: string;
  readonly medianUs: number;
  readonly minUs: number;
  /** What the figure is set beside. */
  readonly bound: string;
  readonly boundUs: number;
}

/**
 * The median and the least time of a call, in microseconds; short calls are timed in groups. Before
 * that the engine gets as much time again, to compile what is called often once more, and better.
 */
function timed(run: () => void): Pick<Line, 'medianUs' | 'minUs'> {
  const timesOf = (calls: number): number[] => {
    const times: number[] = [];
    const end = performance.now() + 1000 * Number(values.seconds);
    while (performance.now() < end) {
      const start = performance.now();
      for (let i = 0; i < calls; i++) run();
      times.push((1000 * (performance.now() - start)) / calls);
    }
    return times.sort((a, b) => a - b);
  };
  const [before] = timesOf(1);
  const times = timesOf(Math.max(1, Math.round(50 / before)));
  return { medianUs: times[Math.floor(times.length / 2)], minUs: times[0] };
}

function smallCalls(): Line[] {
  const x = normal([64]);
  const one = compile((given: Tensor) => given.exp());
  const many = Array.from({ length: 10 }, () => normal([64]));
  const ten = compile((given: Tensor[]) => given.map((each) => each.exp()));
  const state = Array.from({ length: 100 }, () => normal([64]));
  const hundred = compile((given: Tensor) => state.reduce((sum, each) => sum.add(each), given));
  const limit = { bound: '5 µs', boundUs: 5 };
  return [
    { work: 'a call: one argument of 64 numbers, one result', ...timed(() => one(x)), ...limit },
    { work: 'a call: ten arguments, ten results', ...timed(() => ten(many)), ...limit },
    { work: 'a call: one argument, 100 tensors of state', ...timed(() => hundred(x)), ...limit },
  ];
}

function encoder(): Line[] {
  const machine = probe(features().relaxedSimd);
  const options = { embedDim: 287, ...Mamba.recommendedDefaults() };
  const model = new Mamba(options);
  const { windowSize = 60 } = options;
  const [window, x] = [normal([1, windowSize, options.embedDim]), normal([1, options.embedDim])];
  // Every matrix is multiplied with every step, but for the last: only the last step needs it.
  const weights = model.namedParameters()
    .filter(([name, { ndim }]) => ndim === 2 && !name.endsWith('ALog'))
    .reduce((sum, [, { numel }]) => sum + numel, 0);
  const [last] = model.layers.slice(-1);
  const spared = (windowSize - 1) * last.mixer.outProj.weight.numel;
  const operations = 2 * (windowSize * weights - spared);
  let state = model.initialState(1);
  const step = (): void => void ({ state } = model.step(x, state));
  return [
    {
      work: `the encoder: a window of ${windowSize} steps`,
      ...timed(() => void model.predict(window)),
      bound: 'its products at the rate of the probe',
      boundUs: 1000 * boundOf(machine, operations, 0),
    },
    {
      work: 'the encoder: a recurrent step',
      ...timed(step),
      bound: 'reading its weights once',
      boundUs: 1000 * boundOf(machine, 0, 4 * model.parameterCount()),
    },
  ];
}

const lines = [...smallCalls(), ...encoder()];
console.log(`${process.version}, threads: ${values.threads}`);
for (const { work, medianUs, minUs, bound, boundUs } of lines) {
  const [median, least] = [medianUs, minUs].map((time) => `${time.toFixed(1)} µs`.padStart(10));
  const ratios = [medianUs, minUs].map((time) => (time / boundUs).toFixed(2)).join(', at best ');
  console.log(
    `${work.padEnd(48)} ${median}, at best ${least}; ${ratios} of ${bound}` +
      (bound.startsWith('5') ? '' : `, ${boundUs.toFixed(1)} µs`),
  );
}
console.log(JSON.stringify({ node: process.version, lines }));
