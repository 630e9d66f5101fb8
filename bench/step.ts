/**
 * One training step of a Mamba language model, timed: forward pass, next-token cross-entropy,
 * backward pass, AdamW. The last line printed is JSON.
 *
 *     npm run -s bench:step -- --vocab 16 --hidden 64 --layers 2 --state 16 --batch 8 --length 256
 *
 * With `--layer mamba2` or `mamba3` its layers are those of Mamba-2 or Mamba-3, in heads of
 * `--headDim` channels.
 */
import type { LayerKind } from '@mambagrad/mamba';
import { compile, formatKernels, type KernelReport } from '@mambagrad/tensor';
import { parseArgs } from 'node:util';
import { trainingStep } from './support/models.ts';
import { boundOf, probe } from './support/probe.ts';

const defaults = {
  vocab: 16, hidden: 64, layers: 2, state: 16, headDim: 32, batch: 8, length: 256, steps: 10,
};
type Size = keyof typeof defaults;
const names = Object.keys(defaults) as Size[];

interface Settings {
  readonly sizes: Record<Size, number>;
  readonly layer: LayerKind;
  readonly eager: boolean;
  readonly backend: 'wasm' | 'js';
  readonly deterministic: boolean;
  readonly profile: boolean;
  readonly json: boolean;
  readonly threads: number;
}

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      eager: { type: 'boolean', default: false },
      layer: { type: 'string', default: 'mamba' },
      backend: { type: 'string', default: 'wasm' },
      deterministic: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      threads: { type: 'string', default: '1' },
      ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    },
  });
  const given: Record<string, unknown> = values;
  const sizes = names.map((name) => {
    const size = Number(given[name] ?? defaults[name]);
    if (Number.isInteger(size) && size >= 1) return [name, size] as const;
    throw new Error(`--${name} takes a whole number from 1, not '${String(given[name])}'`);
  });
  const { layer, backend, ...others } = values;
  const threads = Number(values.threads);
  if (layer !== 'mamba' && layer !== 'mamba2' && layer !== 'mamba3') {
    throw new Error(`--layer takes mamba, mamba2 or mamba3, not '${layer}'`);
  }
  if (backend !== 'wasm' && backend !== 'js') {
    throw new Error(`--backend takes wasm or js, not '${backend}'`);
  }
  const { eager, deterministic, profile, json } = others;
  const named = Object.fromEntries(sizes) as Record<Size, number>;
  return { sizes: named, layer, eager, backend, deterministic, profile, json, threads };
}

function run(): void {
  const { sizes, layer, eager, backend, deterministic, profile, json, threads } = readSettings();
  const { model, step: trainStep, tokens, targets } = trainingStep({ ...sizes, layer });
  const compiled = compile(trainStep, { backend, deterministic, threads });
  const step = eager ? trainStep : compiled;

  const times = Array.from({ length: sizes.steps + 1 }, (_, i) => {
    const start = performance.now();
    const loss = step(tokens, targets).item();
    const time = performance.now() - start;
    if (!json) console.log(`step ${i}  ${time.toFixed(1)} ms  loss ${loss.toFixed(4)}`);
    return time;
  });
  if (profile && !eager) printProfile(() => compiled.profile(tokens, targets), !deterministic);
  const [firstMs, ...others] = times;
  const sorted = others.toSorted((a, b) => a - b);
  const result = {
    medianMs: sorted[Math.floor(sorted.length / 2)],
    minMs: sorted[0],
    firstMs,
    threads,
    layer,
    eager,
    backend,
    params: model.parameterCount(),
    arenaBytes: eager ? 0 : compiled.arenaBytes(),
    ...sizes,
  };
  console.log(JSON.stringify(result));
}

/** Each kernel's least time of several calls, and beside it the bound that the machine gives it. */
function printProfile(profile: () => KernelReport[], fuse: boolean): void {
  const runs = Array.from({ length: 10 }, profile);
  const machine = probe(fuse);
  const least = (i: number) => Math.min(...runs.map((one) => one[i].milliseconds ?? Infinity));
  const reports = runs[0].map((report, i) => {
    const bound = boundOf(machine, report.operations ?? 0, report.bytes);
    return { ...report, ops: [`${bound.toFixed(3)} ms`, ...report.ops], milliseconds: least(i) };
  });
  console.log('The time of each kernel, and before its ops the least that it could take:');
  console.log(formatKernels(reports));
}

try {
  run();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
