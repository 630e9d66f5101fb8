/**
 * The worker: loads a model, and writes names with it until it is told to stop.
 *
 * mambagrad.js is `mambagrad/browser`, one file without imports: a copy of
 * node_modules/mambagrad/dist/browser.js. (Import maps, by which pages find packages by name, do
 * not reach workers.)
 */
import {
  characterTokenizer, generateText, loadModel, MambaLM, startThreads, whyOneThread,
} from './mambagrad.js';

/**
 * @typedef {{ kind: 'load', source: string | File } | { kind: 'write', start: string }
 *   | { kind: 'stop' } | { kind: 'settings', temperature: number, isSlow: boolean }} Request
 * @typedef {{ kind: 'text', text: string }
 *   | { kind: 'status', text: string, canWrite: boolean, isWriting: boolean }} Answer
 */

/**
 * What such a file holds beside the weights: the options of the model, and its letters.
 * @typedef {import('./mambagrad.js').MambaLMOptions & { characters: string[] }} NamesOptions
 */

/**
 * @type {{ model: MambaLM, tokenizer: import('./mambagrad.js').CharacterTokenizer } | undefined}
 */
let loaded;
let [temperature, isSlow, isWriting] = [1, true, false];

/** Tells the page something. @param {Answer} message */
const answer = (message) => self.postMessage(message);

/** @param {string} text */
const say = (text) =>
  answer({ kind: 'status', text, canWrite: loaded !== undefined, isWriting });

/** @param {number} milliseconds */
const wait = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

/** Loads a model from a file or an address. @param {string | File} source */
async function load(source) {
  isWriting = false;
  /** @type {string[]} */
  let letters = [];
  /** @param {NamesOptions} options */
  const create = ({ characters, ...options }) => {
    letters = characters;
    return new MambaLM(options);
  };
  const model = await loadModel(source, create);
  loaded = { model, tokenizer: characterTokenizer(letters) };
  const threads = await startThreads();
  const why = whyOneThread();
  say(`A model of ${model.parameterCount().toLocaleString('en')} parameters is loaded. ` +
    `${threads === 1 ? 'One thread computes' : `${threads} threads compute`}` +
    `${why ? `: ${why}` : '; the page is cross-origin isolated'}.`);
}

/** Writes name after name, each with the same beginning. @param {string} start */
async function write(start) {
  if (!loaded || isWriting) return;
  isWriting = true;
  const { model, tokenizer } = loaded;
  const stopTokens = tokenizer.encode('\n');
  let [pending, sentAt, letters] = ['', 0, 0];
  const began = performance.now();
  say('Writing …');
  try {
    while (isWriting) {
      pending += start;
      // The temperature may have changed since the last name.
      const options = { temperature, stopTokens, maxTokens: 20 };
      for await (const letter of generateText(model, tokenizer, `\n${start}`, options)) {
        pending += letter;
        letters += 1;
        // The page shows no more than one text a frame, and need not hear more often.
        if (isSlow || performance.now() - sentAt > 16) {
          answer({ kind: 'text', text: pending });
          [pending, sentAt] = ['', performance.now()];
        }
        if (isSlow) await wait(40);
        if (!isWriting) break;
      }
      pending += '\n';
      // Messages of the page are heard while this waits.
      await wait(0);
    }
  } finally {
    isWriting = false;
  }
  answer({ kind: 'text', text: pending });
  const rate = letters / (performance.now() - began) * 1000;
  say(`Stopped. It wrote ${Math.round(rate).toLocaleString('en')} letters a second.`);
}

/** @param {Request} request */
async function handle(request) {
  if (request.kind === 'load') await load(request.source);
  else if (request.kind === 'write') await write(request.start);
  else if (request.kind === 'stop') isWriting = false;
  else ({ temperature, isSlow } = request);
}

/** @param {MessageEvent<Request>} event */
self.onmessage = ({ data }) => {
  handle(data).catch((error) => say(error instanceof Error ? error.message : String(error)));
};
