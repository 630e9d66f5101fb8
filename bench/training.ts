/** Training steps of language models of several sizes: `npm run bench training [-- --long]`. */
import { compile } from '@mambagrad/tensor';
import { inAllWays, ways } from './support/ways.ts';
import { type StepSizes, trainingStep } from './support/models.ts';
import { isProgram, type PlannedRow, runSuites, type Suite } from './support/suite.ts';

const [vocab, state] = [16, 16];

/** From the smallest to the largest; the third is what `npm run bench step` times. */
export const stepSizes: readonly StepSizes[] = [
  { vocab, state, hidden: 16, layers: 1, batch: 2, length: 32 },
  { vocab, state, hidden: 32, layers: 1, batch: 4, length: 64 },
  { vocab, state, hidden: 64, layers: 2, batch: 8, length: 256 },
  { vocab, state, hidden: 128, layers: 4, batch: 8, length: 256 },
];

export function stepName({ layers, hidden, batch, length }: StepSizes): string {
  return `${layers} × ${hidden}, batch ${batch} × ${length}`;
}

/** The time grows about as the elements of all layers' states. */
export function stepCount({ layers, hidden, state, batch, length }: StepSizes): number {
  return layers * hidden * state * batch * length;
}

function* rows(sizes: readonly StepSizes[]): Iterable<PlannedRow> {
  for (const size of sizes) {
    const { step, tokens, targets } = trainingStep(size);
    const calls = inAllWays(step, tokens, targets);
    yield { name: stepName(size), count: stepCount(size), calls };
  }
}

/** The channels of a head where Mamba-2 and Mamba-3 are compared. */
const HEAD_DIM = 16;
const kinds = [['Mamba-2', 'mamba2'], ['Mamba-3', 'mamba3']] as const;

/** A step of both kinds of models of the same sizes, side by side. */
function* beside(): Iterable<PlannedRow> {
  const size = stepSizes[2];
  const calls = kinds.map(([, layer]) => {
    const { step, tokens, targets } = trainingStep({ ...size, layer, headDim: HEAD_DIM });
    const compiled = compile(step, { threads: 1 });
    return () => compiled(tokens, targets);
  });
  yield { name: stepName(size), calls };
}

export const training: Suite = {
  name: 'training',
  *plans(isLong) {
    const what = 'forward pass, cross-entropy, backward pass, AdamW; time of a step';
    // Eager steps are slow, and what compiled ones are compared with.
    const others = { columns: ways, isGrowing: true, limit: isLong ? 10_000 : 3000 };
    const large = { vocab: 256, state, hidden: 256, layers: 4, batch: 8, length: 256 };
    const sizes = isLong ? [...stepSizes, large] : stepSizes;
    const title = (model: string) => `Training ${model} of layers × width, ${what}`;
    yield { title: title('a Mamba'), rows: rows(sizes), ...others };
    const second = stepSizes.slice(1, -1).map((size) => ({ ...size, layer: 'mamba2' as const }));
    yield { title: title('a Mamba-2'), rows: rows(second), ...others };
    const together =
      `Training both of the same state, in heads of ${HEAD_DIM}, on one thread, ${what}`;
    yield { title: together, columns: kinds.map(([name]) => name), rows: beside() };
  },
};

if (isProgram(import.meta.url)) await runSuites(training);
