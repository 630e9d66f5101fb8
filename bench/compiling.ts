/** What compiling takes, against the number of layers: `npm run bench compiling [-- --long]`. */
import { compile } from '@mambagrad/tensor';
import { trainingStep } from './support/models.ts';
import { isProgram, type PlannedRow, runSuites, type Suite } from './support/suite.ts';

const sizes = { vocab: 16, hidden: 32, state: 8, batch: 1, length: 16 };

function* rows(layerCounts: readonly number[]): Iterable<PlannedRow> {
  for (const layers of layerCounts) {
    const { model, step, tokens, targets } = trainingStep({ ...sizes, layers });
    const calls = [
      () => step(tokens, targets),
      () => compile(() => model.forward(tokens))(),
      () => compile(step)(tokens, targets),
      () => compile(step, { backend: 'js' })(tokens, targets),
    ];
    yield { name: layers === 1 ? '1 layer' : `${layers} layers`, count: layers, calls };
  }
}

export const compiling: Suite = {
  name: 'compiling',
  *plans(isLong) {
    const { batch, length, hidden } = sizes;
    yield {
      title: `Compiling a Mamba of width ${hidden}, input [${batch}, ${length}]; time to trace, ` +
        'compile and call once, beside an eager step',
      columns: ['eager step', 'forward', 'training step', 'training step, JavaScript'],
      rows: rows(isLong ? [1, 2, 4, 8, 16, 32] : [1, 2, 4, 8]),
      isGrowing: true,
      limit: isLong ? 10_000 : 2000,
    };
  },
};

if (isProgram(import.meta.url)) await runSuites(compiling);
