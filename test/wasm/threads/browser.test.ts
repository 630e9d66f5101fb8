/**
 * Threads in a browser that is made up: workers of Node under the names of a browser, with the same
 * code. What a browser may refuse, and what is then said. (The real one: test/browser.)
 */
import {
  at, branchIf, drop, type Expression, i32, loop, memory, unreachable, webAssembly, when,
} from '@mambagrad/wasm';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { MESSAGE, messageWords } from '../../../packages/wasm/src/threads/words.ts';
import { moduleFor, TestPool } from '../../support/pool.ts';

/** The texts of Blobs, by their addresses. */
const texts = new Map<string, string>();
const started: FakeWorker[] = [];

class FakeBlob {
  readonly text: string;
  constructor(parts: readonly string[]) {
    this.text = parts.join('');
  }
}

class FakeURL extends URL {
  static override createObjectURL(blob: object): string {
    const url = `blob:${texts.size}`;
    texts.set(url, (blob as FakeBlob).text);
    return url;
  }
}

/** A worker as browsers have it: it gets messages, and is heard of by `onerror` alone. */
class FakeWorker {
  onerror: ((event: { message?: string }) => void) | null = null;
  readonly #worker: Worker;

  constructor(url: string, { name = '' } = {}) {
    started.push(this);
    const prelude = `const { parentPort } = require('node:worker_threads');
      globalThis.close = () => process.exit();
      parentPort.on('message', (data) => onmessage({ data }));`;
    this.#worker = new Worker(`${prelude} ${texts.get(url)}`, { eval: true, name });
    this.#worker.unref();
  }

  postMessage(message: unknown): void {
    this.#worker.postMessage(message);
  }

  terminate(): void {
    void this.#worker.terminate();
  }
}

/** The packages, as they find themselves in a browser that differs from others in some parts. */
async function inBrowser(parts: Readonly<Record<string, unknown>> = {}) {
  vi.resetModules();
  const count = await import('../../../packages/wasm/src/threads/count.ts');
  const { ThreadPool } = await import('../../../packages/wasm/src/threads/threads.ts');
  const { createMemory } = await import('../../../packages/wasm/src/common/memory.ts');
  const { getBuiltinModule } = process;
  const hidden = ['node:worker_threads', 'node:os', 'node:fs'];
  vi.spyOn(process, 'getBuiltinModule').mockImplementation(((name: string) => (
    hidden.includes(name) ? undefined : getBuiltinModule(name)
  )) as typeof getBuiltinModule);
  const all = {
    Worker: FakeWorker, Blob: FakeBlob, URL: FakeURL, crossOriginIsolated: true,
    navigator: { hardwareConcurrency: 6 }, ...parts,
  };
  for (const [name, value] of Object.entries(all)) vi.stubGlobal(name, value);
  return { ...count, ThreadPool, createMemory };
}

let warnings: string[];
beforeEach(() => {
  warnings = [];
  vi.spyOn(console, 'warn').mockImplementation((text: string) => void warnings.push(text));
});
const pools: TestPool[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  await Promise.all(pools.splice(0).map(({ pool }) => pool.close()));
  started.length = 0;
});

function newPool(Pool: ConstructorParameters<typeof TestPool>[0]): TestPool {
  const test = new TestPool(Pool);
  pools.push(test);
  return test;
}

describe('in a browser, threads', () => {
  it('are as many as it says, and share the work', async () => {
    const { threadCountFor, whyOneThread, ThreadPool } = await inBrowser();
    expect([threadCountFor(), threadCountFor(2), threadCountFor(900)]).toEqual([6, 2, 64]);
    expect(whyOneThread()).toBeUndefined();
    const test = newPool(ThreadPool);
    expect(await test.pool.start(3)).toBe(3);
    expect([started.length, texts.size]).toEqual([2, 1]);
    const module = moduleFor(5);
    const program = test.share(module);
    const end = performance.now() + 20_000;
    while (test.run(module, program).threads.size < 2) expect(performance.now()).toBeLessThan(end);
    expect(warnings).toEqual([]);
  });

  it('need a page that is isolated; a warning names the headers, once', async () => {
    const { setThreads, threadCountFor, whyOneThread } =
      await inBrowser({ SharedArrayBuffer: undefined, crossOriginIsolated: false });
    const why = 'the page is not cross-origin isolated, so it has no shared memory; its server ' +
      'must send the headers Cross-Origin-Opener-Policy: same-origin and ' +
      'Cross-Origin-Embedder-Policy: require-corp';
    expect([threadCountFor(), threadCountFor(1), whyOneThread()]).toEqual([1, 1, why]);
    setThreads(1);
    expect(warnings).toEqual([]);
    setThreads(4);
    expect([threadCountFor(), threadCountFor(3)]).toEqual([1, 1]);
    expect(warnings).toEqual([`threads: 4 were asked for, but there is one, as ${why}`]);
  });

  it.each([
    [{ SharedArrayBuffer: undefined, crossOriginIsolated: undefined }, 'there is no shared memory'],
    [{ Worker: undefined }, 'there are no workers here'],
    [{ navigator: {} }, 'there is one core'],
  ])('need all that is for them: %o', async (parts, why) => {
    const { threadCountFor, whyOneThread } = await inBrowser(parts);
    expect(threadCountFor()).toBe(1);
    expect(whyOneThread()).toContain(why);
    threadCountFor(2);
    expect(warnings).toHaveLength('navigator' in parts ? 0 : 1);
  });

  /** A browser whose policy does not allow workers from Blobs tells so by an event, later. */
  class Blocked extends FakeWorker {
    override postMessage(): void {
      setTimeout(() => this.onerror?.({}));
    }
  }

  it.each([
    ['by an event', Blocked, /refused to start a worker from a Blob; .* blob: in worker-src, or/],
    ['by an error', class {
      constructor() {
        throw new Error('TrustedScriptURL');
      }
    }, /no worker can be started \(Error: TrustedScriptURL\)$/],
  ])('are done without where workers are refused, %s', async (_, Refused, why) => {
    const { threadCountFor, whyOneThread, ThreadPool } = await inBrowser({ Worker: Refused });
    const test = newPool(ThreadPool);
    const module = moduleFor(5);
    const program = test.share(module);
    test.run(module, program);
    expect(await test.pool.start(4)).toBe(1);
    expect(whyOneThread()).toMatch(why);
    expect(threadCountFor()).toBe(1);
    expect(test.run(module, program).threads).toEqual(new Set([0]));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(why);
    expect(test.pool.workers).toEqual([]);
  });

  it('end the next call if one has thrown', async () => {
    const { ThreadPool } = await inBrowser();
    const test = newPool(ThreadPool);
    await test.pool.start(2);
    started[0].onerror?.({ message: 'too little memory' });
    const module = moduleFor(5);
    const program = test.share(module);
    expect(() => test.run(module, program)).toThrow(
      'threads: thread 1 has failed: too little memory; the next call starts threads anew',
    );
    test.run(module, program);
  });

  /**
   * Of three threads the second traps while the third sleeps in an iteration, until it is taken for
   * dead. It wakes and completes it in the next call: a browser may end a worker some time after it
   * was asked to.
   */
  it('that are late for a loop that has failed do not count in the next', async () => {
    class Late extends FakeWorker {
      override terminate(): void {
        setTimeout(() => super.terminate());
      }
    }
    vi.doMock('../../../packages/wasm/src/threads/watchdog.ts', async (original) => ({
      ...await original<object>(), WAIT_TIMEOUT_MS: 1,
    }));
    onTestFinished(() => void vi.doUnmock('../../../packages/wasm/src/threads/watchdog.ts'));
    const { ThreadPool } = await inBrowser({ Worker: Late });
    const test = newPool(ThreadPool);
    const gate = test.free.allocate(8);
    if (gate === undefined) throw new Error('the memory of the test is too small');
    const until = (condition: Expression<'i32'>) =>
      loop('until', (again) => [branchIf(again, i32.eqz(condition))]);
    const isShut = i32.eq(i32.atomic.load(gate), 1);
    const failing = moduleFor(1, {
      more: ({ self }) => [
        when(i32.eqz(self), [until(isShut)]),
        when(i32.eq(self, 1), [i32.atomic.store(at(gate, 4), 1), until(isShut), unreachable]),
        when(i32.eq(self, 2), [
          until(i32.atomic.load(at(gate, 4))),
          i32.atomic.store(gate, 1),
          drop(memory.atomic.wait32(gate, 1, -1n)),
        ]),
      ],
    });
    // Opens the gate, and leaves the late one time to add what it has completed.
    const next = moduleFor(2, {
      more: () => [
        when(isShut, [
          i32.atomic.store(gate, 2),
          drop(memory.atomic.notify(gate, 1)),
          drop(memory.atomic.wait32(gate, 2, 300_000_000n)),
        ]),
      ],
    });
    await test.pool.start(3);
    expect(() => test.run(failing, test.share(failing))).toThrow('thread 1 has failed');
    test.run(next, test.share(next), 2);
    expect(new Int32Array(test.pool.memory.buffer, gate, 1)[0]).toBe(2);
  });
});

describe('the code of a worker', () => {
  /**
   * Runs it in this thread: whenever it would sleep, the next step is done, in which `send` writes
   * a message; `copied` is called when it has copied a program. Gives the programs that it
   * compiled, and those that it ran, by the first byte of their code.
   */
  async function trace(steps: (() => void)[], copied: () => void = () => {}) {
    await (await inBrowserPool()).start(2);
    const compiled: number[] = [];
    const ran: number[] = [];
    class Module {
      readonly code: Uint8Array;
      constructor(code: Uint8Array) {
        compiled.push((this.code = code)[0]);
      }
    }
    class Instance {
      readonly exports: { run: () => void };
      constructor({ code }: Module) {
        this.exports = { run: () => void ran.push(code[0]) };
      }
    }
    const add = (words: Int32Array, index: number, value: number): number => {
      copied();
      return Atomics.add(words, index, value);
    };
    const scope = {
      Int32Array, Uint8Array, WebAssembly: { Module, Instance },
      Atomics: {
        load: Atomics.load, store: Atomics.store, add, notify: () => 0,
        wait: () => steps.shift()?.(),
      },
      close: () => {}, onmessage: (_: object): void => {},
    };
    runInNewContext(texts.get('blob:0') ?? '', scope);
    scope.onmessage({ data: { memory: { buffer: memory }, self: 1, team: 1 } });
    expect(steps).toEqual([]);
    return { compiled, ran };
  }

  const inBrowserPool = async () => newPool((await inBrowser()).ThreadPool).pool;

  let memory: SharedArrayBuffer;
  beforeEach(() => {
    texts.clear();
    memory = new SharedArrayBuffer(65536);
  });
  const word = (address: number) => new Int32Array(memory, address, 1);
  const addressOf = (program: number): number => 40_000 + 64 * program;

  /** Puts a program into memory. */
  function put(program: number): void {
    word(addressOf(program))[0] = program;
    new Uint8Array(memory, addressOf(program) + 4, 3).fill(program);
  }

  /** Writes a message that asks to run a program. */
  function send(program: number, drops: number, team = 1): void {
    const message = {
      epoch: word(MESSAGE)[0] + 2, team, drops, program, address: addressOf(program), bytes: 3,
      arena: 0, own: 0, stride: 0, threads: 2, loop: 0,
    };
    messageWords.forEach((name, i) => (word(MESSAGE + 4 * i)[0] = message[name]));
  }

  it('compiles each program once, and forgets those that were dropped', async () => {
    [1, 2].forEach(put);
    const { compiled, ran } = await trace([
      () => send(1, 0), () => send(2, 0), () => send(1, 0),
      () => {
        word(addressOf(1))[0] = 0;
        send(2, 1);
      },
      () => {
        put(1);
        send(1, 1);
      },
      () => send(0, 1, 2),
    ]);
    expect(compiled).toEqual([1, 2, 1]);
    expect(ran).toEqual([1, 2, 1, 2, 1]);
  });

  it('takes nothing for a program that is dropped while it copies it', async () => {
    [1, 2].forEach(put);
    let copies = 0;
    const { compiled, ran } = await trace([
      () => send(1, 0), () => send(2, 1), () => send(1, 1), () => send(0, 1, 2),
    ], () => {
      if ((copies += 1) > 1) return;
      // The main thread drops the program, and puts something else there.
      word(MESSAGE + 4 * messageWords.indexOf('drops'))[0] = 1;
      put(1);
    });
    expect([compiled, ran, copies]).toEqual([[2, 1], [2, 1], 3]);
  });
});

/** What an object has, also what is not enumerable. */
function ownParts(object: object): object {
  return Object.fromEntries(Object.entries(Object.getOwnPropertyDescriptors(object)).map(
    ([name, { value }]) => [name, value as unknown],
  ));
}

describe('the largest memory', () => {
  /** The maximum that is asked for, in MiB, when larger ones than `most` are refused. */
  async function asked(navigator: object, most = 65536, error: unknown = new RangeError('no')) {
    const { createMemory } = await inBrowser({ navigator });
    const sizes: number[] = [];
    const host = webAssembly();
    if (host === undefined) throw new Error('there is no WebAssembly here');
    class Memory extends host.Memory {
      constructor(limits: { readonly initial: number; readonly maximum: number }) {
        sizes.push(limits.maximum / 16);
        if (limits.maximum > most) throw error;
        super(limits);
      }
    }
    vi.stubGlobal('WebAssembly', { ...ownParts(host), Memory });
    const { mostPages } = createMemory(true);
    expect(mostPages / 16).toBe(sizes.at(-1));
    return sizes;
  }

  it('is half of what the machine has, where that is known, up to 4 GiB', async () => {
    expect(await asked({ deviceMemory: 16 })).toEqual([4096]);
    expect(await asked({ deviceMemory: 8 })).toEqual([4096]);
    expect(await asked({ deviceMemory: 2 })).toEqual([1024]);
    expect(await asked({ deviceMemory: 0.25 })).toEqual([128]);
  });

  it('is 2 GiB elsewhere, or as much less as is given', async () => {
    expect(await asked({})).toEqual([2048]);
    expect(await asked({}, 16384)).toEqual([2048, 1024]);
    // As Firefox says it.
    expect(await asked({}, 8192, 'out of memory')).toEqual([2048, 1024, 512]);
    await expect(asked({}, 0, new TypeError('mistaken'))).rejects.toThrow('mistaken');
  });
});
