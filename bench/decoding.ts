/** Tokens a second that language models write: `npm run bench decoding [-- --long]`. */
import { compile } from '@mambagrad/tensor';
import { type Call, threadCounts, threadNames } from './support/ways.ts';
import { decoder, type ModelSizes, type Reading } from './support/models.ts';
import { isProgram, type PlannedRow, runSuites, type Suite } from './support/suite.ts';

const [vocab, state] = [256, 16];

export const decoderSizes: readonly ModelSizes[] = [
  { vocab, state, hidden: 64, layers: 2 },
  { vocab, state, hidden: 128, layers: 4 },
];

/** Writes one token after another, each from what came of the last. */
function writing(next: (reading: Reading) => Reading, start: Reading): Call {
  let reading = start;
  return () => {
    reading = next(reading);
  };
}

/** The call compiled, for each number of threads; it writes a token for each row of the batch. */
export function compiledDecoders(sizes: ModelSizes, batch: number): Call[] {
  const { next, start } = decoder(sizes, batch);
  return threadCounts.map((threads) => writing(compile(next, { threads }), start));
}

function* rows(sizes: ModelSizes, batches: readonly number[]): Iterable<PlannedRow> {
  for (const batch of batches) {
    const { next, start } = decoder(sizes, batch);
    const calls = [writing(next, start), ...compiledDecoders(sizes, batch)];
    yield { name: `batch ${batch}`, count: batch, calls };
  }
}

export const decoding: Suite = {
  name: 'decoding',
  *plans(isLong) {
    const batches = isLong ? [1, 2, 4, 8, 16, 32, 64, 128] : [1, 4, 16, 64];
    for (const size of [...decoderSizes, { ...decoderSizes[0], layer: 'mamba2' as const }]) {
      const model = size.layer === 'mamba2' ? 'Mamba-2' : 'Mamba';
      yield {
        title: `Decoding by a ${model} of ${size.layers} × ${size.hidden} (layers × width), ` +
          `vocabulary ${vocab}; tokens a second, all rows of the batch together`,
        quantity: 'rate',
        columns: ['eager', ...threadNames.map((name) => `compiled, ${name}`)],
        rows: rows(size, batches),
        isGrowing: true,
      };
    }
  },
};

if (isProgram(import.meta.url)) await runSuites(decoding);
