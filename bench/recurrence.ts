/**
 * Recurrences written with `scan`: a training step of a GRU, beside the same loop unrolled, and the
 * recurrence of the selective scan, beside `linearScan`. The last line printed is JSON.
 *
 *     npm run -s bench recurrence [-- --length 300 --threads 1 --calls 20 --unrolled]
 *
 * First calls are timed in processes of their own, where nothing was compiled before. With
 * `--unrolled` the unrolled loop is compiled as well, which takes a while.
 */
import { selectiveScan } from '@mambagrad/mamba';
import { AdamW, GRU, linear } from '@mambagrad/nn';
import {
  compile, Generator, grad, scan, setThreads, stack, type Tensor, uniform, zeros,
} from '@mambagrad/tensor';
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { scanInputs } from './support/models.ts';
import { align } from './support/table.ts';

const { values } = parseArgs({
  options: {
    length: { type: 'string', default: '300' },
    threads: { type: 'string', default: '1' },
    calls: { type: 'string', default: '20' },
    unrolled: { type: 'boolean', default: false },
    first: { type: 'string' },
  },
});
const [length, threads, calls] = [values.length, values.threads, values.calls].map(Number);
setThreads(threads);

/** The length that the first call of the longer one is compared with. */
const SHORT = 28;
const [BATCH, WIDTH] = [16, 64];

/** A GRU, as the loop of its steps. */
function unrolled(layer: GRU, x: Tensor): Tensor {
  const projected = linear(x, layer.weight_ih_l0, layer.bias_ih_l0);
  let h = zeros([BATCH, WIDTH]);
  const outputs = projected.unbind(0).map((p) => {
    const q = linear(h, layer.weight_hh_l0, layer.bias_hh_l0);
    const parts = [p, q].map((all) => all.reshape([BATCH, 3, WIDTH]).unbind(1));
    const [[inputR, inputZ, inputN], [hiddenR, hiddenZ, hiddenN]] = parts;
    const r = inputR.add(hiddenR).sigmoid();
    const z = inputZ.add(hiddenZ).sigmoid();
    const n = inputN.add(r.mul(hiddenN)).tanh();
    h = n.add(z.mul(h.sub(n)));
    return h;
  });
  return stack(outputs);
}

/** A training step, compiled, and a call of it. */
function training(steps: number, forward = (layer: GRU, x: Tensor) => layer.forward(x).output) {
  const generator = new Generator(1);
  const layer = new GRU(WIDTH, WIDTH, { generator });
  const optimizer = new AdamW(layer.parameters(), { lr: 1e-3 });
  const x = uniform([steps, BATCH, WIDTH], -1, 1, { generator });
  const step = compile((input: Tensor) => {
    const loss = forward(layer, input).square().mean();
    optimizer.minimize(loss);
    return loss;
  });
  return () => step(x).item();
}

/** The selective scan, y = C·h with h = exp(Δ·A)·h + Δ·u·B, as a scan written by a user. */
function selective(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor): Tensor {
  const [batch, , channels] = u.shape;
  const inputs = { dt: delta, x: delta.mul(u), B, C };
  const step = (h: Tensor, input: typeof inputs) => {
    const next = input.dt.unsqueeze(-1).mul(A).exp().mul(h)
      .add(input.x.unsqueeze(-1).mul(input.B.unsqueeze(1)));
    return { state: next, output: next.mul(input.C.unsqueeze(1)).sum(-1) };
  };
  return scan(step, zeros([batch, channels, A.shape[1]]), inputs, { axis: 1 }).outputs;
}

type Selective = typeof selective;

/** A call that computes the selective scan and the gradients of all its inputs. */
function withGradients(f: Selective) {
  const inputs = scanInputs(8, 256, 128, 16);
  for (const input of inputs) input.requiresGrad = true;
  const run = compile((...given: typeof inputs) => grad(f(...given).square().sum(), given));
  return () => run(...inputs);
}

const timed = (call: () => unknown): number => {
  const start = performance.now();
  call();
  return performance.now() - start;
};

/** The least time in milliseconds of several calls, in turn, after two that are not counted. */
function leastOf(runs: readonly (() => unknown)[]): number[] {
  const times = runs.map(() => Infinity);
  for (let i = -2; i < calls; i++) {
    runs.forEach((run, n) => {
      const time = timed(run);
      if (i >= 0) times[n] = Math.min(times[n], time);
    });
  }
  return times;
}

/** The least time of the first call, of as many processes as it takes to be steady. */
function firstCall(steps: number): number {
  const times = Array.from({ length: 5 }, () => {
    const args = [...process.execArgv, process.argv[1], '--first', String(steps)];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (stderr !== '') throw new Error(stderr);
    return Number(stdout);
  });
  return Math.min(...times);
}

if (values.first !== undefined) {
  console.log(timed(training(Number(values.first))));
} else {
  const first = [firstCall(length), firstCall(SHORT)];
  const gru = values.unrolled ? [training(length), training(length, unrolled)] : [training(length)];
  const [loop, chain] = leastOf(gru);
  const composed: Selective = (...given) => selectiveScan(...given, { algorithm: 'sequential' }).y;
  const scans = leastOf([selective, composed].map(withGradients));
  const results = {
    'GRU, first call': [first[0], first[1], `the first call at length ${SHORT}`],
    'GRU, later calls': [loop, chain, 'the loop unrolled'],
    'selective scan and gradients': [scans[0], scans[1], 'the same by linearScan'],
  } as const;
  const text = (time: number | undefined) => (time === undefined ? '–' : `${time.toFixed(2)} ms`);
  const rows = Object.entries(results).map(([name, [time, other, what]]) => (
    [name, text(time), other ? `${(time / other).toFixed(2)} of` : '', text(other), what]
  ));
  console.log(align(rows).join('\n'));
  console.log(JSON.stringify({ node: process.version, length, threads, results }));
}
