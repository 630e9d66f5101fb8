/**
 * The worker that trains: what examples/names.ts does in Node, with `browserRun` in the place of
 * `runFolder`. It goes on with the run that is stored, if there is one.
 */
import {
  AdamW, browserRun, characterTokenizer, collate, cosineDecay, crossEntropy, DataLoader,
  encodeModel, generateTexts, loadLog, MambaLM, multiplySchedules, reportPage, splitData,
  startThreads, Trainer, warmUp, whyOneThread,
} from './mambagrad.js';

/**
 * @typedef {{ kind: 'train', address: string } | { kind: 'stop' | 'save' }} Request
 * @typedef {{ kind: 'status' | 'progress' | 'sample' | 'end', text: string } |
 *   { kind: 'report', page: string } | { kind: 'model', bytes: Uint8Array }} News
 */

/** @param {News} news */
const tell = (news) => self.postMessage(news);

const EPOCHS = 16;
const BATCH = 64;
/** A report is made once in this many milliseconds, or later: it takes a twentieth of the time. */
const REPORT_EVERY = 3000;

/** The names that lie at an address. @param {string} address */
async function fetchNames(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`);
  return (await response.text()).trim().split('\n');
}

/** Each letter is to be predicted from those before it. @param {readonly number[][]} some */
const toBatch = (some) => collate(
  some.map((tokens) => ({ tokens: tokens.slice(0, -1), targets: tokens.slice(1) })),
  { dtype: 'i32', padding: { tokens: 0, targets: -100 }, padToMultipleOf: 14 },
);
/** @param {readonly number[][]} some @param {boolean} shuffle */
const loaderOf = (some, shuffle) =>
  new DataLoader(some, { batchSize: BATCH, shuffle, seed: 1, collate: toBatch, dropLast: shuffle });

/** The model, what trains it, and what it has learned so far. @param {readonly string[]} names */
function prepare(names) {
  const tokenizer = characterTokenizer(['\n', ...names]);
  const [training, validation] = splitData(names, { fractions: [0.9, 0.1], seed: 1 })
    .map((part) => part.map((name) => tokenizer.encode(`\n${name}\n`)));
  const steps = EPOCHS * Math.floor(training.length / BATCH);
  const options = {
    vocabSize: tokenizer.vocabSize, hiddenSize: 64, stateSize: 8, numLayers: 2, dropout: 0.2,
  };
  const model = new MambaLM(options);
  const run = browserRun('names');
  let nextReport = 0;

  async function report() {
    const began = performance.now();
    await run.log.flush();
    tell({ kind: 'report', page: reportPage(await loadLog('names'), { title: 'names' }) });
    const end = performance.now();
    nextReport = end + Math.max(REPORT_EVERY, 20 * (end - began));
  }

  /** Some names, as the model writes them now. */
  async function write() {
    const how = { stopTokens: tokenizer.encode('\n'), maxTokens: 20 };
    const starts = Array.from({ length: 12 }, () => '\n');
    const text = (await generateTexts(model, tokenizer, starts, how)).join(' ');
    tell({ kind: 'sample', text });
    return text;
  }

  /** As examples/names.ts saves it: all that is needed to write with it. */
  function save() {
    const { characters } = tokenizer;
    tell({ kind: 'model', bytes: encodeModel(model, { ...options, characters }) });
  }

  const trainer = new Trainer({
    model,
    optimizer: new AdamW(model.parameters(), { lr: 0.005, weightDecay: 0.1 }),
    data: loaderOf(training, true),
    /** @param {ReturnType<typeof toBatch>} batch */
    loss: ({ tokens, targets }) => ({
      loss: crossEntropy(model.forward(tokens), targets), count: targets.notEqual(-100).sum(),
    }),
    validation: { data: loaderOf(validation, false), everyEpochs: 1, keepBest: true },
    samples: { every: 50, make: write },
    schedule: multiplySchedules(warmUp(50), cosineDecay(steps)),
    maxNorm: 1,
    checkpointEvery: 25,
    resume: true,
    callbacks: [async ({ step, metrics: { loss } }) => {
      tell({ kind: 'progress', text: `Step ${step} of ${steps}, loss ${loss.toFixed(3)}` });
      if (performance.now() > nextReport) await report();
    }],
    ...run,
  });
  return { trainer, steps, report, write, save };
}

/** @type {ReturnType<typeof prepare> | undefined} */
let prepared;

/** Trains until all steps are taken, or it is stopped. @param {string} address */
async function train(address) {
  const names = await fetchNames(address);
  const threads = await startThreads();
  const why = whyOneThread();
  prepared = prepare(names);
  tell({
    kind: 'status', text: `${threads === 1 ? 'One thread trains' : `${threads} threads train`}` +
      `${why ? `: ${why}` : '; the page is cross-origin isolated'}.`,
  });
  const { trainer, steps, report, write } = prepared;
  const how = await trainer.fit({ epochs: EPOCHS }) === 'done' ? 'Trained' : 'Stopped';
  await report();
  await write();
  tell({ kind: 'end', text: `${how}: ${trainer.step} of ${steps} steps are taken.` });
}

/** @param {MessageEvent<Request>} event */
self.onmessage = ({ data }) => {
  if (data.kind === 'train') {
    train(data.address).catch((error) => tell({ kind: 'end', text: String(error) }));
  } else if (data.kind === 'stop') prepared?.trainer.stop();
  else prepared?.save();
};
