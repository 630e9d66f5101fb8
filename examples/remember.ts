/**
 * Trains a small Mamba on selective copying, then looks at what it remembers: how its step sizes
 * respond to tokens and to noise, which tokens are kept, in which channels and for how long, and
 * from which steps the influence on each answer comes. It prints this, and draws it as SVG.
 */
import { MambaLM, observe, selectiveCopying } from '@mambagrad/mamba';
import { AdamW, Trainer } from '@mambagrad/nn';
import { Generator, manualSeed, type Tensor } from '@mambagrad/tensor';
import { writeFileSync } from 'node:fs';
import { bar, shade } from './drawing/terminal.ts';
import { readOptions } from './options.ts';
import {
  halfLivesOf, influenceOf, keptOf, mean, positionsOf, REACH, responseOf,
} from './remember/measures.ts';
import { drawPage } from './remember/page.ts';
import { judge, percent, upAndDown } from './training.ts';

const options = readOptions(
  'Trains a small Mamba to copy selectively, and shows what it remembers.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    steps: { help: 'training steps', default: 3000 },
    batch: { help: 'sequences per step', default: 16 },
    tokens: { help: 'tokens to remember', default: 4 },
    places: { help: 'places among which they stand, 4 for each token and 2 more', default: 24 },
    hidden: { help: 'width of the model', default: 32 },
    state: { help: 'numbers that each channel remembers', default: 8 },
    lr: { help: 'highest learning rate', default: 0.01, min: 0, fraction: true },
  },
  {},
  { layer: 'mamba, mamba2 or mamba3 (mamba)', svg: 'file to draw to (remember.svg)' },
);
const { tokens, places } = options;
const kinds = { mamba: {}, mamba2: { headDim: 4 }, mamba3: { headDim: 4 } } as const;
const isKind = (name: string): name is keyof typeof kinds => Object.hasOwn(kinds, name);
const { layer: kind = 'mamba' } = options;
if (!isKind(kind)) {
  console.error(`--layer is '${kind}', expected mamba, mamba2 or mamba3`);
  process.exit(2);
}
const names = { mamba: 'Mamba', mamba2: 'Mamba-2', mamba3: 'Mamba-3' };
const units = kind === 'mamba' ? 'channels' : 'heads';
if (places < REACH * tokens + 2) {
  console.error(`--places ${places} are too few for noise between ${tokens} tokens`);
  process.exit(2);
}

// Training, as in selectiveCopying.ts

manualSeed(options.seed);
const model = new MambaLM({
  vocabSize: 8, hiddenSize: options.hidden, stateSize: options.state, numLayers: 1,
  layer: kind, ...kinds[kind],
});
const answer = (inputs: Tensor) => model.forward(inputs).narrow(1, places, tokens);
const trainer = new Trainer({
  model,
  optimizer: new AdamW(model.parameters(), { lr: options.lr }),
  data: () => selectiveCopying(options.batch, { tokens, places }),
  loss: ({ inputs, targets }) => judge(answer(inputs), targets),
  schedule: upAndDown(150),
  maxNorm: 1,
  // The same bits on every machine, and so the same picture.
  compile: { deterministic: true },
  host: process,
});
console.log(
  `A ${names[kind]} of ${model.parameterCount().toLocaleString('en')} parameters learns to copy ` +
    `${tokens} tokens from among ${places} places.`,
);
await trainer.fit(options.steps);

// Looking

const fresh = selectiveCopying(256, {
  tokens, places, generator: new Generator(options.seed + 1),
});
const { accuracy } = trainer.evaluate([fresh]);
console.log(`Accuracy on 256 fresh sequences: ${percent(accuracy)}\n`);

const sequences = { inputs: fresh.inputs.data, count: 256, places, tokens };
const { layers: [layer] } = observe(model, fresh.inputs);
const response = responseOf(layer, sequences);
const { delay } = response;
const halfLives = halfLivesOf(layer, sequences);
const influence = influenceOf(layer, sequences, delay);
const channels = halfLives.length;
/** Channels from the longest memory to the shortest, by the slowest of their states. */
const order = halfLives.map((_, channel) => channel)
  .sort((a, b) => Math.max(...halfLives[b]) - Math.max(...halfLives[a]));

const times = (factor: number): string =>
  `${factor < 10 ? factor.toFixed(1) : Math.round(factor).toLocaleString('en')} times`;

function steps(life: number): string {
  if (life >= 1e6) return 'more than a million steps';
  if (life < 0.1) return 'less than 0.1 steps';
  return `${life < 10 ? life.toFixed(1) : Math.round(life).toLocaleString('en')} steps`;
}

/** How much two means differ, in words. */
function compare(one: number, other: number): string {
  const factor = Math.max(one, other) / Math.min(one, other);
  if (factor < 1.25) return 'on average about the same at tokens and at noise';
  return `on average ${times(factor)} as large at ${one > other ? 'tokens' : 'noise'}`;
}

console.log(`What ${layer.name} remembers: ${channels} ${units}\n`);

const strongest = response.factors.map((factors) => Math.max(...factors));
const raised = strongest.filter((factor) => factor > 2).length;
const lowered = response.factors.filter((factors) => factors[delay] < 0.5).length;
const number = (value: number) => value.toPrecision(3);
const { atTokens, atNoise } = response;
console.log(`Step size Δ, ${compare(atTokens.mean, atNoise.mean)}:\n`);
console.log(`${' '.repeat(22)}${`mean over ${units}`.padEnd(21)}median`);
for (const [name, { mean, median }] of [
  ['at tokens', atTokens], ['at noise', atNoise],
  ...response.behind.slice(1).map((each, k) => [`  ${k + 1} behind a token`, each] as const),
  ['  farther away', response.far],
] as const) {
  console.log(`  ${name.padEnd(20)}${number(mean).padEnd(21)}${number(median)}`);
}
console.log(
  `\n${raised} of ${channels} ${units} raise Δ more than twofold within ${REACH - 1} steps ` +
    `behind a token, the\nstrongest ${times(Math.max(...strongest))}; ${lowered} lower theirs ` +
    'to less than half.',
);
if (raised > channels / 2 && delay > 0) {
  const why = kind === 'mamba3' ? '' : ': the convolution in front of the scan delays the tokens';
  console.log(`Most respond ${delay} steps late${why}.`);
}

// Half-lives

const lives = halfLives.flat().sort((a, b) => a - b);
const length = places + tokens;
const within = (from: number, to: number) =>
  lives.filter((life) => life >= from && life < to).length;
const holders = kind === 'mamba' ? `${lives.length} states` : 'heads';
console.log(
  `\nHalf-lives of the ${holders}: from ${steps(lives[0])} to ` +
    `${steps(lives[lives.length - 1])}, the median ${steps(lives[lives.length >> 1])};\n` +
    `${within(length, Infinity)} outlast the ${length} steps of a sequence.`,
);
const edges = [0, 1, 4, 16, 64, 256, Infinity];
const bins = edges.slice(1).map((to, i) => within(edges[i], to));
bins.forEach((count, i) => {
  const range = edges[i + 1] === Infinity ? `from ${edges[i]}` : `${edges[i]} to ${edges[i + 1]}`;
  console.log(
    `  ${range.padStart(10)} steps ${String(count).padStart(5)} ` +
      `${bar(count / Math.max(...bins), 40)}`,
  );
});

// One sequence

/** The sequence whose tokens stand farthest apart, so that their effects can be told apart. */
const gapOf = (sequence: number) => {
  const ends = [0, ...positionsOf(sequences, sequence), places];
  return Math.min(...ends.slice(1).map((end, i) => end - ends[i]));
};
const gaps = Array.from({ length: 256 }, (_, sequence) => gapOf(sequence));
const shown = gaps.indexOf(Math.max(...gaps));
const positions = positionsOf(sequences, shown);
const { layers: [one] } = observe(model, fresh.inputs.narrow(0, shown, 1));
const input = Array.from(fresh.inputs.data.subarray(shown * length, (shown + 1) * length));
const signs = input.map((token) =>
  token === 0 ? '·' : token === 7 ? '?' : String.fromCodePoint(64 + token),
);
const [deltas] = one.delta.toArray() as number[][][];
const factors = order.map((channel) =>
  deltas.map((delta) => delta[channel] / response.quiet[channel]),
);
const kept = keptOf(one, positions, delay);
const rows = influence.rows[shown];

/** A row of the chart: a name, a character for each step, and a remark. */
const line = (name: string, characters: readonly string[], remark = '') =>
  console.log(`  ${name.padEnd(12)} ${characters.join('')}  ${remark}`);

console.log(`\nOne of these sequences. Δ of some ${units}, relative to noise far from tokens:`);
console.log(
  '- below 1/2, ░ from 1.7, ▒ from 5, ▓ from 13, █ from 38; half-life of the slowest state:',
);
line('input', signs);
const sample = Math.min(channels, 10);
for (let i = 0; i < sample; i++) {
  const row = Math.floor(((i + 0.5) * channels) / sample);
  const life = Math.max(...halfLives[order[row]]);
  const characters =
    factors[row].map((factor) => factor < 0.5 ? '-' : shade(Math.log2(factor) / 6));
  line(`${units.slice(0, -1)} ${order[row]}`, characters, steps(life));
}

console.log('\nInfluence of each step on the answers, through the largest of the row:');
line('input', signs);
rows.forEach((row, i) =>
  line(`answer ${i + 1}`, row.map((value) => shade(value / Math.max(...row)))),
);
const there = delay > 0 ? `${delay} steps behind a token` : 'at a token';
console.log(
  `It is ${times(influence.factor)} as large ${there} as at noise. In ` +
    `${percent(influence.atTokens)} of all answers the\nlargest entry is there (by chance ` +
    `${percent(influence.byChance)}), in ${percent(influence.atOwnToken)} it is larger for the ` +
    'token to be written\nthan for the others.',
);

console.log('\nOf what is written of each token, left at the first answer:');
kept.forEach(({ from, shares }, i) => {
  const left = shares[places - from];
  const half = left.filter((share) => share > 0.5).length;
  console.log(
    `  token ${i + 1} (${signs[positions[i]]})  ${bar(mean(left), 20).padEnd(20)} ` +
      `${percent(mean(left))} on average, more than half in ${half} of ${channels} ${units}`,
  );
});

// The picture

const path = options.svg ?? 'remember.svg';
writeFileSync(path, drawPage({
  title: `What a ${names[kind]} remembers that copies ${tokens} tokens from among ${places} places`,
  subtitle: `${percent(accuracy)} of its answers are right. Mean Δ is ` +
    `${number(atTokens.mean)} at tokens and ${number(atNoise.mean)} at noise; ` +
    `${raised} of ${channels} ${units} raise theirs more than twofold behind a token.`,
  signs, factors, units, influence: rows,
  halfLives: order.map((channel) => halfLives[channel]),
  kept: kept.map(({ from, shares }) => ({
    from, shares: shares.map((ofChannels) => order.map((channel) => ofChannels[channel])),
  })),
}));
console.log(`\nDrawn to ${path}.`);
