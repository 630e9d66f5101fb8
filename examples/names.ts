/**
 * Writes first names that are new: a small MambaLM learns how 3,932 names are spelt, letter by
 * letter, and makes new ones. Two questions are answered with names that it has never seen. How
 * well does it predict their letters, compared with counts of letter groups (n-grams)? And do its
 * own look like names to a judge who knows only those?
 */
import { characterTokenizer, generateTexts, MambaLM } from '@mambagrad/mamba';
import { AdamW, collate, crossEntropy, DataLoader, splitData, Trainer } from '@mambagrad/nn';
import { report, saveModel } from '@mambagrad/nn/node';
import { manualSeed, permutation } from '@mambagrad/tensor';
import { readFileSync } from 'node:fs';
import { dataFile } from './files.ts';
import { NGram } from './ngram.ts';
import { keepRun, readRun } from './runs.ts';
import { percent, upAndDown } from './training.ts';

const options = readRun(
  'names', 'Trains a small MambaLM to write first names.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    epochs: { help: 'how often to go through the names', default: 16 },
    batch: { help: 'names per step', default: 64 },
    layers: { help: 'Mamba blocks', default: 2 },
    hidden: { help: 'width of the model', default: 64 },
    lr: { help: 'highest learning rate', default: 0.005, min: 0, fraction: true },
    write: { help: 'names to write at the end', default: 500 },
    temperature: { help: 'how freely it writes', default: 1, min: 0, fraction: true },
  },
  {},
  { save: 'a file for the model, as examples/browser reads it' },
);
const { seed, epochs, batch, layers, hidden, lr, temperature, folder } = options;

// A line break begins a name and ends it; it comes before all letters, so its token is 0.
const names = readFileSync(dataFile('names.txt'), 'utf8').trim().split('\n');
const tokenizer = characterTokenizer(['\n', ...names]);
const { vocabSize } = tokenizer;
const encode = (name: string): number[] => tokenizer.encode(`\n${name}\n`);
const parts = splitData(names, { fractions: [0.8, 0.1, 0.1], seed });
const [training, validation, test] = parts.map((part) => part.map(encode));

/** Names as a batch: each letter is to be predicted from those before it. */
const toBatch = (some: readonly number[][]) => collate(
  some.map((tokens) => ({ tokens: tokens.slice(0, -1), targets: tokens.slice(1) })),
  { dtype: 'i32', padding: { tokens: 0, targets: -100 }, padToMultipleOf: 14 },
);
const loaderOf = (some: readonly number[][], shuffle: boolean) =>
  new DataLoader(some, { batchSize: batch, shuffle, seed, collate: toBatch, dropLast: shuffle });

manualSeed(seed);
const modelOptions = {
  vocabSize, hiddenSize: hidden, stateSize: 8, numLayers: layers, dropout: 0.2,
};
const model = new MambaLM(modelOptions);

const write = (count: number): Promise<string[]> => generateTexts(
  model, tokenizer, Array.from({ length: count }, () => '\n'),
  { temperature, stopTokens: tokenizer.encode('\n'), maxTokens: 20 },
);

const trainer = new Trainer({
  model,
  optimizer: new AdamW(model.parameters(), { lr, weightDecay: 0.1 }),
  data: loaderOf(training, true),
  loss: ({ tokens, targets }: ReturnType<typeof toBatch>) => {
    const loss = crossEntropy(model.forward(tokens), targets);
    return { loss, 'bits a letter': loss.div(Math.LN2), count: targets.notEqual(-100).sum() };
  },
  validation: { data: loaderOf(validation, false), everyEpochs: 1, keepBest: true },
  samples: { every: 200, make: async () => (await write(8)).join(' ') },
  schedule: upAndDown(50),
  maxNorm: 1,
  host: process,
  ...keepRun(options),
});
console.log(
  `A MambaLM of ${model.parameterCount().toLocaleString('en')} parameters learns to write from ` +
    `${training.length.toLocaleString('en')} names.`,
);
await trainer.fit({ epochs });

// How well it predicts

const learn = (n: number, some: readonly number[][]) =>
  some.reduce((counts, name) => counts.learn(name, 1), new NGram(n, vocabSize));

const { 'bits a letter': bits } = trainer.evaluate(loaderOf(test, false));
console.log(`\nBits for each letter of ${test.length} names that were never seen:`);
const show = (name: string, value: number) =>
  console.log(`  ${name.padEnd(36)}${value.toFixed(2)}`);
show('all letters alike', Math.log2(vocabSize));
for (const n of [1, 2, 3, 4, 5]) {
  const name = n === 1 ? 'by how often each letter is there' : `by the ${n - 1} before it`;
  show(name, learn(n, training).bits(test, 1));
}
show('this model', bits);

// Whether they are new, and look like names

/** Knows names that the model has not seen, and only those, in groups of three letters. */
const judge = learn(3, [...validation, ...test]);
const bitsOf = (name: string) => judge.bits([encode(name)], 1);
const limit = parts[0].map(bitsOf).sort((a, b) => a - b)[Math.floor(0.95 * training.length)];
const looksRight = (name: string) => name !== '' && bitsOf(name) <= limit;
const shareOf = (some: readonly string[], holds: (name: string) => boolean) =>
  percent(some.filter(holds).length / some.length);

const known = new Set(names);
const written = await write(options.write);
const isNew = (name: string) => !known.has(name);
const fresh = [...new Set(written)].filter(isNew);
const shuffled = parts[0].map((name) =>
  Array.from(permutation(name.length).data, (i) => name[i]).join(''));
console.log(`
Of ${written.length} names that it wrote, ${shareOf(written, isNew)} are not in the list.
To a judge who knows other names, 95 % of the names that it learned from look like names; so do
${shareOf(fresh, looksRight)} of the new ones, and ${shareOf(shuffled, looksRight)} of those that \
it learned from with their letters shuffled.
Some of the new ones:
`);
const shown = fresh.slice(0, 40).map((name) => name.padEnd(13));
for (let i = 0; i < shown.length; i += 8) {
  console.log(`  ${shown.slice(i, i + 8).join('').trimEnd()}`);
}
console.log(`\nReport: ${report(folder)}`);

if (options.save !== undefined) {
  // All that is needed to write with it, in one file.
  saveModel(options.save, model, { ...modelOptions, characters: tokenizer.characters });
  console.log(`Model: ${options.save}`);
}
