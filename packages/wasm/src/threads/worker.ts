/**
 * Workers: their code, and how to start one. The code is one text for Node and browsers, so that it
 * can be started wherever this file lies, also within a bundle: with `eval` in Node, and in a
 * browser from a Blob, a file in memory.
 */
import { browser, builtin, type NodeModules } from '../common/platform.ts';
import {
  FAILURE, FAILURE_LENGTH, HEADER_BYTES, MESSAGE, messageWords, RESERVED_BYTES, RUNNING, UP,
} from './words.ts';

/** What a worker is given when it is started. */
export interface WorkerData {
  /** The shared `WebAssembly.Memory`. */
  readonly memory: object;
  /** The number of the thread, from 1. */
  readonly self: number;
  /** The number of its team. */
  readonly team: number;
}

/**
 * A worker waits for a message, runs its program together with the others, and waits again: at
 * first it spins, then it sleeps. It reads all words of a message and then the epoch again, which
 * has changed if the main thread was writing the next message meanwhile.
 *
 * It compiles a program when it first runs it, from a copy of the bytes in memory. Their place is
 * another's as soon as the program is dropped. The main thread counts the drop before that, so the
 * copy is right if the count is the same afterwards. (`Atomics.add` reads it, since a plain load
 * could be executed before the loads of the copy.)
 */
const SERVE = `
const serve = ({ memory, self, team }) => {
  const words = new Int32Array(memory.buffer, 0, ${RESERVED_BYTES / 4});
  const at = (address) => Atomics.load(words, address / 4);
  const imports = { host: { memory, reference() {}, watchdog() {}, watch() {} } };
  const programs = new Map();
  let [seen, dropped] = [0, 0];

  const nextMessage = () => {
    for (;;) {
      let epoch;
      for (let spins = 0; (epoch = at(${MESSAGE})) === seen || epoch % 2 !== 0; spins++) {
        if (spins > 20000) Atomics.wait(words, ${MESSAGE / 4}, epoch);
      }
      const message = [${messageWords.map((_, i) => `at(${MESSAGE + 4 * i})`).join(', ')}];
      if (at(${MESSAGE}) !== epoch) continue;
      seen = epoch;
      return message;
    }
  };

  // A program that was dropped has another number in its header.
  const forgetDropped = () => {
    for (const [number, { header }] of programs) {
      if (Atomics.load(header, 0) !== number) programs.delete(number);
    }
  };

  const programOf = (number, address, bytes) => {
    const known = programs.get(number);
    if (known !== undefined) return known;
    // Memory may just have grown, which an engine tells other threads at the end of a loop's round.
    while (memory.buffer.byteLength < address + ${HEADER_BYTES} + bytes);
    const header = new Int32Array(memory.buffer, address, 1);
    const code = new Uint8Array(memory.buffer, address + ${HEADER_BYTES}, bytes).slice();
    const drops = Atomics.add(words, ${MESSAGE / 4 + messageWords.indexOf('drops')}, 0);
    if (drops !== dropped) return undefined;
    const { run } = new WebAssembly.Instance(new WebAssembly.Module(code), imports).exports;
    const program = { header, run };
    programs.set(number, program);
    return program;
  };

  const report = (error) => {
    const [before, state] = [at(${FAILURE}), 2 * team];
    if (before >= state) return;
    if (Atomics.compareExchange(words, ${FAILURE / 4}, before, state) !== before) return;
    const text = ('thread ' + self + ' has failed: ' + error).slice(0, ${FAILURE_LENGTH});
    const units = new Uint16Array(memory.buffer, ${FAILURE + 8}, text.length);
    for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
    Atomics.store(words, ${FAILURE / 4 + 1}, text.length);
    Atomics.store(words, ${FAILURE / 4}, state + 1);
  };

  const run = (program, ...call) => {
    const running = ${RUNNING / 4} + self - 1;
    Atomics.store(words, running, team);
    try {
      program.run(...call);
    } finally {
      Atomics.store(words, running, 0);
      Atomics.notify(words, running);
    }
  };

  Atomics.store(words, ${UP / 4} + self - 1, team);
  for (;;) {
    const [, now, drops, number, address, bytes, arena, own, stride, threads, loop] = nextMessage();
    if (now !== team) return;
    try {
      if (drops !== dropped) forgetDropped();
      dropped = drops;
      if (self >= threads) continue;
      const program = programOf(number, address, bytes);
      if (program !== undefined) run(program, arena, own + self * stride, self, threads, loop);
    } catch (error) {
      report(error);
    }
  }
};
`;

const NODE_WORKER = `${SERVE} serve(require('node:worker_threads').workerData);`;
const WEB_WORKER = `${SERVE} onmessage = ({ data }) => { serve(data); close(); };`;

/** A worker that was started. */
export interface Started {
  /** Ends it. */
  terminate(): unknown;
}

/** What is heard of a worker, if anything: the reason why it ended, or why there can be none. */
export type Listener = (event: 'ended' | 'refused', reason: string) => void;

/**
 * Starts a worker, or throws an error that says why there can be none. A worker of Node never keeps
 * the process alive. In a browser one starts only after the thread that has asked for it has gone
 * back to its event loop.
 */
export function startWorker(data: WorkerData, listener: Listener): Started {
  const node = builtin('worker_threads');
  return node ? startInNode(node, data, listener) : startInBrowser(data, listener);
}

function startInNode(
  { Worker }: NodeModules['worker_threads'], workerData: WorkerData, listener: Listener,
): Started {
  // It prints nothing, so its streams need not be led to those of the process.
  const streams = { stdout: true, stderr: true };
  const worker = new Worker(NODE_WORKER, { eval: true, workerData, execArgv: [], ...streams });
  worker.unref();
  worker.on('error', (error) => listener('ended', `has failed: ${String(error)}`));
  worker.on('exit', (code) => listener('ended', `has ended by itself, with exit code ${code}`));
  return worker;
}

/** The address of the worker's code in a browser, made once. */
let address: string | undefined;

function startInBrowser(data: WorkerData, listener: Listener): Started {
  const host = browser();
  if (host?.Worker === undefined) throw new Error('there are no workers');
  const blob = () => new host.Blob([WEB_WORKER], { type: 'text/javascript' });
  address ??= host.URL.createObjectURL(blob());
  const worker = new host.Worker(address, { name: `mambagrad: thread ${data.self}` });
  // A script that was not loaded is an event without a message.
  worker.onerror = ({ message }) => {
    if (message === undefined) listener('refused', NO_BLOB);
    else listener('ended', `has failed: ${message}`);
  };
  worker.postMessage(data);
  return worker;
}

const NO_BLOB =
  'the browser has refused to start a worker from a Blob; a Content-Security-Policy must allow ' +
  'blob: in worker-src, or, without that directive, in script-src';
