/**
 * Threads in a real browser: the bits of Node on one thread and on two, in a page and in a worker
 * of it, isolated and not; what policies of a page allow; and a page that stays responsive.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { bundledModule } from '../support/bundled.ts';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { moduleFor } from '../support/pool.ts';
import { serve, type Server, type ServeOptions } from '../support/server.ts';
import { oneOf } from '../support/soak.ts';

/**
 * What is run in Node and in the browser: training, compiled or line by line, and large draws. The
 * weights after each step, which must be the same bits everywhere, are given as a hash.
 */
const work = `
  import {
    AdamW, closeThreads, compile, crossEntropy, integers, MambaLM, manualSeed, normal, startThreads,
    uniform, whyOneThread,
  } from 'mambagrad';
  export { closeThreads };

  const hashOf = (tensors) => {
    let hash = 0;
    for (const { data } of tensors) {
      for (const word of new Int32Array(Float32Array.from(data).buffer)) {
        hash = (Math.imul(hash, 31) + word) | 0;
      }
    }
    return hash;
  };

  export async function train({ threads, steps = 3, eager = false, waits = true }) {
    manualSeed(1);
    const model = new MambaLM({ vocabSize: 16, hiddenSize: 32, stateSize: 8, numLayers: 1 });
    const optimizer = new AdamW(model.parameters(), { lr: 1e-2 });
    const [tokens, targets] = [integers([4, 64], 0, 16), integers([4, 64], 0, 16)];
    const line = (x, y) => {
      const loss = crossEntropy(model.forward(x), y);
      optimizer.minimize(loss);
      return loss;
    };
    const step = eager ? line : compile(line, { threads, deterministic: true });
    const up = waits ? await startThreads(threads) : 1;
    const [losses, weights] = [[], []];
    for (let i = 0; i < steps; i++) {
      losses.push(step(tokens, targets).item());
      weights.push(hashOf(model.parameters()));
    }
    return { up, losses, weights, why: whyOneThread() ?? '' };
  }

  export function draw() {
    manualSeed(2);
    return hashOf([uniform([50_000]), normal([50_000]), integers([50_000], 0, 9)]);
  }

  export function compileError(options) {
    try {
      compile((x) => x.exp(), options)(normal([9]));
      return '';
    } catch (error) {
      return error.message;
    }
  }
`;

const worker = `
  import * as work from '/work.js';
  onmessage = async ({ data: { name, given } }) => {
    try {
      postMessage({ value: await work[name](given) });
    } catch (error) {
      postMessage({ error: String(error) });
    }
  };
`;

/**
 * Functions are called from timers: what DevTools evaluates itself is above the policy of a page.
 */
const main = `
  import * as work from '/work.js';
  globalThis.work = work;
  globalThis.run = (name, given) => new Promise((resolve, reject) => {
    setTimeout(async () => {
      try {
        resolve(await work[name](given));
      } catch (error) {
        reject(error);
      }
    });
  });
  let worker;
  globalThis.runInWorker = (name, given) => new Promise((resolve, reject) => {
    worker ??= new Worker('/worker.js', { type: 'module' });
    worker.onerror = ({ message }) => reject(new Error(message ?? 'the worker was not loaded'));
    worker.onmessage = ({ data: { value, error } }) => {
      if (error === undefined) resolve(value);
      else reject(new Error(error));
    };
    worker.postMessage({ name, given });
  });
  globalThis.isReady = true;
`;

/** Pages load all packages as one file, of which the code of workers is a part. */
const makePages = (): Record<string, string> => ({
  '/bundled.js': bundledModule(), '/work.js': work.replace("'mambagrad'", "'/bundled.js'"),
  '/': '<!doctype html><title>Threads</title><script type="module" src="/main.js"></script>',
  '/main.js': main, '/worker.js': worker,
});

interface Trained {
  readonly up: number;
  /** Of each step. */
  readonly losses: readonly number[];
  readonly weights: readonly number[];
  readonly why: string;
}

const places = ['run', 'runInWorker'];

const HEADERS =
  /Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp$/;

interface Expected {
  readonly trained: Trained;
  readonly eager: readonly number[];
  readonly drawn: number;
}

/** What Node gives on one thread. */
async function runInNode(): Promise<Expected> {
  const print = `${work}
    const trained = await train({ threads: 1, steps: 20 });
    const { weights: eager } = await train({ threads: 1, steps: 1, eager: true });
    console.log(JSON.stringify({ trained, eager, drawn: draw() }));`;
  const flags = ['--input-type=module', '-'];
  const node = spawn(process.execPath, flags, { stdio: ['pipe', 'pipe', 'inherit'] });
  node.stdin.end(print);
  return JSON.parse(await text(node.stdout)) as Expected;
}

describeInChromium('threads in Chromium', (browser) => {
  let pages: Record<string, string>;
  let isolated: Server;
  let expected: Expected;
  /** Isolated, with a worker, for most tests. */
  let page: Page;

  beforeAll(async () => {
    const inNode = runInNode();
    inNode.catch(() => undefined);
    pages = makePages();
    isolated = await serve({ isolated: true, pages });
    page = await browser().open(isolated.url);
    await page.waitFor('globalThis.isReady');
    expected = await inNode;
  });
  afterAll(async () => {
    await page?.close();
    await isolated?.close();
  });

  /** Opens the page of a server that is for this test alone. */
  async function open(options: ServeOptions): Promise<Page> {
    const server = await serve({ pages, ...options });
    const opened = await browser().open(server.url);
    onTestFinished(async () => {
      await opened.close();
      await server.close();
    });
    await opened.waitFor('globalThis.isReady');
    return opened;
  }

  const run = <T = Trained>(at: Page, name: string, given: object, where = 'run'): Promise<T> =>
    at.evaluate<T>(`${where}(${JSON.stringify(name)}, ${JSON.stringify(given)})`);

  const expectSameWeights = ({ losses, weights }: Trained, steps = 3): void => {
    const { trained } = expected;
    expect(losses).toEqual(trained.losses.slice(0, steps));
    expect(weights).toEqual(trained.weights.slice(0, steps));
  };

  // The first, as no thread has been started yet.
  test('are not waited for by a loop that lets none start', async () => {
    for (const where of oneOf(places)) {
      expectSameWeights(await run(page, 'train', { threads: 2, waits: false }, where));
    }
  });

  test('give the bits of Node, one or two, in the page and in a worker', async () => {
    // Each place and each number has its turn: the page one thread and the worker two, or else
    // the page two and the worker one.
    const pairings = oneOf([places, places.toReversed()]);
    for (const pairing of pairings) {
      for (const [i, where] of pairing.entries()) {
        await run(page, 'closeThreads', {}, where);
        const trained = await run(page, 'train', { threads: i + 1, steps: 20 }, where);
        expect(trained.up).toBe(i + 1);
        expectSameWeights(trained, 20);
      }
    }
    await run(page, 'closeThreads', {});
    expectSameWeights(await run(page, 'train', { threads: 3 }));
    expect(page.errors).toEqual([]);
  });

  test('share iterations, and say so when they fail', async () => {
    await run(page, 'closeThreads', {});
    const [bytes, failing] = [moduleFor(3), moduleFor(4, { traps: true })].map((module) => (
      `Uint8Array.of(${module.join()})`
    ));
    const found = await page.evaluate<{ threads: number[]; errors: string[] }>(`(async () => {
      const { startThreads, theHeap } = await import('/bundled.js');
      const heap = theHeap();
      const { threads: pool, memory } = heap;
      const { start: arena } = heap.allocate(8192);
      const runOf = (bytes, shared = bytes) => {
        const host = { memory, watchdog: pool.watchdog };
        const { run } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host }).exports;
        const program = pool.share(run, shared, 1);
        return () => {
          pool.run(program, { arena, own: 0, stride: 0, threads: 2 }, (loop) => {
            run(arena, 0, 0, 2, loop);
          });
          return new Set(new Int32Array(memory.buffer, arena, 2048)
            .filter((_, i) => i % 2 === 0).map((word) => word % 100));
        };
      };
      const run = runOf(${bytes});
      // One traps in a worker, and one is no module there.
      const failing = [runOf(${failing}), runOf(${bytes}, Uint8Array.of(1, 2, 3, 4))];
      const together = (some) => {
        const end = performance.now() + 20_000;
        for (;;) {
          const threads = some();
          if (threads.size > 1 || performance.now() > end) return [...threads].sort();
        }
      };
      const errors = [];
      for (const part of failing) {
        await startThreads(2);
        try {
          together(part);
        } catch (error) {
          errors.push(error.message);
        }
      }
      await startThreads(2);
      return { threads: together(run), errors };
    })()`);
    expect(found.threads).toEqual([0, 1]);
    expect(found.errors).toEqual([
      expect.stringMatching(/^threads: thread 1 has failed: RuntimeError: .* in the middle of it/),
      expect.stringMatching(/^threads: thread 1 has failed: CompileError: .* starts threads anew$/),
    ]);
  });

  test('are one on a page that is not isolated, with the same bits and a reason', async () => {
    const own = await open({ isolated: false });
    for (const where of oneOf(places)) {
      const trained = await run(own, 'train', { threads: 2 }, where);
      expect([trained.up, trained.why]).toEqual([1, expect.stringMatching(HEADERS)]);
      expectSameWeights(trained);
    }
    const warnings = own.messages.filter(({ kind }) => kind === 'warning');
    expect(warnings.map(({ text }) => text)).toContainEqual(expect.stringMatching(HEADERS));
  });

  test('need a policy that allows workers from Blobs, and else a warning names it', async () => {
    const script = "script-src 'self' 'wasm-unsafe-eval'";
    for (const [policy, up] of [[script, 1], [`${script}; worker-src 'self' blob:`, 2]] as const) {
      const own = await open({ isolated: true, policy });
      const trained = await run(own, 'train', { threads: 2 });
      expect(trained.up).toBe(up);
      expectSameWeights(trained);
      const why = 'must allow blob: in worker-src';
      const warnings = own.messages.filter(({ text }) => text.includes(why));
      expect([trained.why.includes(why), warnings.length > 0]).toEqual([up === 1, up === 1]);
    }
  });

  test('and code of any kind may be forbidden: then all that is eager runs', async () => {
    const own = await open({ isolated: true, policy: "script-src 'self'" });
    expect(await run<number>(own, 'draw', {})).toBe(expected.drawn);
    const { weights } = await run(own, 'train', { threads: 1, steps: 1, eager: true });
    expect(weights).toEqual(expected.eager);
    const errors = [{}, { backend: 'wasm' }, { backend: 'js' }]
      .map((options) => run<string>(own, 'compileError', options));
    const [best, wasm, js] = await Promise.all(errors);
    const [forWasm, forJs] = ["script-src of the Content-Security-Policy needs 'wasm-unsafe-eval'",
      "script-src of the Content-Security-Policy needs 'unsafe-eval'"];
    expect(best).toMatch(/^compile: no backend can be used here, /);
    for (const [error, part] of [[best, forWasm], [best, forJs], [wasm, forWasm], [js, forJs]]) {
      expect(error).toContain(part);
    }
  });

  test('compile at most 8 MB in the main thread of a page, and a worker any number', async () => {
    const error = await page.evaluate<string>(`(async () => {
      const { compileModule } = await import('/bundled.js');
      const size = 9 * 2 ** 20;
      // A custom section without a name.
      const bytes = new Uint8Array(13 + size);
      bytes.set([0, 97, 115, 109, 1, 0, 0, 0, 0]);
      for (let i = 0; i < 4; i++) bytes[9 + i] = ((size >> (7 * i)) & 127) | (i < 3 ? 128 : 0);
      try {
        compileModule(bytes);
        return '';
      } catch (error) {
        return error.message;
      }
    })()`);
    expect(error).toMatch(/^compile: 9437197 bytes of code are too many for this thread; .* 8MB/);
  });

  test('leave the page responsive while a worker trains', async () => {
    type Found = { longest: number; trained: Trained };
    const { longest, trained } = await page.evaluate<Found>(`(async () => {
      const tasks = [];
      let heard;
      const observer = new PerformanceObserver((list) => {
        tasks.push(...list.getEntries());
        heard?.();
      });
      observer.observe({ entryTypes: ['longtask'] });
      await runInWorker('closeThreads');
      const trained = await runInWorker('train', { threads: 2, steps: 60 });
      // When a long task of our own is heard of, so are those before it.
      const end = performance.now();
      const isOwn = ({ startTime }) => startTime >= end;
      setTimeout(() => {
        for (const start = performance.now(); performance.now() < start + 100;);
      }, 5);
      while (!tasks.some(isOwn)) await new Promise((resolve) => { heard = resolve; });
      observer.disconnect();
      const before = tasks.filter((task) => !isOwn(task)).map(({ duration }) => duration);
      return { longest: Math.max(0, ...before), trained };
    })()`);
    expect(trained.up).toBe(2);
    // A task is long from 50 ms on.
    expect(longest).toBe(0);
  });
});
