/**
 * The kernels that most of a step's time goes to, by one thread, beside what it can do at most:
 *
 *     npm run bench kernels -- [--deterministic] [--json]
 */
import { selectiveScan } from '@mambagrad/mamba';
import {
  compile, type Compiled, grad, normal, ones, setThreads, type Tensor, zeros,
} from '@mambagrad/tensor';
import { parseArgs } from 'node:util';
import { scanInputs } from './support/models.ts';
import { boundOf, probe } from './support/probe.ts';

interface Line {
  readonly work: string;
  readonly milliseconds: number;
  /** The time in words of its own: a rate, or a ratio. */
  readonly figure: string;
}

const { values } = parseArgs({
  options: {
    deterministic: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const { deterministic, json } = values;
setThreads(1);
const machine = probe(!deterministic);

/** The least time of the kernels whose ops match, of many calls. */
function timeOf<Args extends Tensor[]>(
  f: Compiled<Args, unknown>,
  args: Args,
  ops = /./,
): number {
  const times = Array.from({ length: 40 }, () =>
    f
      .profile(...args)
      .filter((report) => ops.test(report.ops.join()))
      .reduce((sum, { milliseconds = 0 }) => sum + milliseconds, 0),
  );
  return Math.min(...times);
}

function matmuls(): Line[] {
  return [256, 512, 1024].flatMap((size) => {
    const [a, b] = [normal([size, size]), normal([size, size])];
    const forms: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
      'a b': (x, y) => x.matmul(y),
      'a bᵀ': (x, y) => x.matmul(y.transpose(0, 1)),
      'aᵀ b': (x, y) => x.transpose(0, 1).matmul(y),
      'aᵀ bᵀ': (x, y) => x.transpose(0, 1).matmul(y.transpose(0, 1)),
    };
    return Object.entries(forms).map(([name, form]) => {
      const milliseconds = timeOf(compile(form, { deterministic }), [a, b]);
      const rate = (2 * size ** 3) / (milliseconds / 1000);
      const share = `${(rate / machine.rate).toFixed(2)} of the probe's rate`;
      const figure = `${(rate / 1e9).toFixed(1)} GFLOP/s, ${share}`;
      return { work: `matmul ${name}, ${size} cubed`, milliseconds, figure };
    });
  });
}

/**
 * The cases: as in training; with a loss on the last 16 steps only; with input at the start only.
 */
function scans(): Line[] {
  const [batch, length, channels, state] = [8, 256, 128, 16];
  const elements = batch * length * channels * state;
  const late = zeros([batch, length - 16, channels]).concat([ones([batch, 16, channels])], 1);
  const early = ones([batch, 8, channels]).concat([zeros([batch, length - 8, channels])], 1);
  const all = ones([batch, length, channels]);
  const step = compile(
    (weight: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) => {
      const { y } = selectiveScan(u, delta, A, B, C);
      return grad(y.mul(weight).square().sum(), [u, delta, A, B, C]);
    },
    { deterministic },
  );
  const [u, delta, A, B, C] = scanInputs(batch, length, channels, state);
  for (const one of [u, delta, A, B, C]) one.requiresGrad = true;
  const cases: [string, Tensor, Tensor][] = [
    ['', all, u],
    [', loss on the last 16 steps', late, u],
    [', input in the first 8 steps', all, u.mul(early).detach()],
  ];
  const plain: Record<string, number> = {};
  return cases.flatMap(([name, weight, input]) => {
    input.requiresGrad = true;
    return [
      ['forward', /^selectiveScan$/] as const, ['backward', /^selectiveScanBackward$/] as const,
    ].map(
      ([way, ops]) => {
        const milliseconds = timeOf(step, [weight, input, delta, A, B, C], ops);
        plain[way] ??= milliseconds;
        const each = `${((milliseconds * 1e6) / elements).toFixed(3)} ns a state element`;
        const figure = name ? `${(milliseconds / plain[way]).toFixed(2)} of the time above` : each;
        return { work: `selective scan ${way}${name}`, milliseconds, figure };
      },
    );
  });
}

/** From one tensor of state to another; and from an argument to a result, which are copied. */
function chains(): Line[] {
  const n = 2 ** 20;
  const [x, to] = [normal([n]), zeros([n])];
  const ten = (input: Tensor): Tensor => {
    let y = input;
    for (let i = 0; i < 5; i++) y = y.mul(1.1 + i / 10).add(0.5);
    return y;
  };
  const options = { deterministic };
  const ofState = timeOf(compile(() => void to.assign(ten(x)), options), []);
  const ofArgument = timeOf(compile(ten, options), [x]);
  const arrays = [new Float32Array(n).fill(1), new Float32Array(n).fill(2)];
  const copies = Array.from({ length: 100 }, () => {
    const start = performance.now();
    arrays[1].set(arrays[0]);
    return performance.now() - start;
  });
  const lineOf = (what: string, milliseconds: number): Line => {
    const share = (milliseconds / Math.min(...copies)).toFixed(2);
    const figure = `${share} of the time to copy the array`;
    return { work: `ten operations on ${n} numbers ${what}`, milliseconds, figure };
  };
  return [lineOf('of state', ofState), lineOf('of an argument', ofArgument)];
}

const lines = [...matmuls(), ...scans(), ...chains()];
console.log(
  `${process.version}, ${(machine.rate / 1e9).toFixed(1)} GFLOP/s at most, ` +
    `4 MiB are read in ${boundOf(machine, 0, 2 ** 22).toFixed(3)} ms`,
);
const width = Math.max(...lines.map(({ work }) => work.length));
for (const { work, milliseconds, figure } of lines) {
  console.log(`${work.padEnd(width)}  ${milliseconds.toFixed(3).padStart(8)} ms  ${figure}`);
}
if (json) console.log(JSON.stringify({ node: process.version, probe: machine, lines }));
