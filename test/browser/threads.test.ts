/**
 * Threads in a real browser: the bits of Node on one thread and on two, in a page and in a worker
 * of it, isolated and not; what policies of a page allow; and a page that stays responsive.
 */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { browserModule } from '../../scripts/bundle/packages.ts';
import { type Browser, describeInChromium, type Page } from '../support/chromium.ts';
import { moduleFor } from '../support/pool.ts';
import { serve, type Server, type ServeOptions } from '../support/server.ts';

/**
 * What is run in Node and in the browser: training, compiled or line by line, and large draws. The
 * weights, which must be the same bits everywhere, are given as a hash.
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
    let loss;
    for (let i = 0; i < steps; i++) loss = step(tokens, targets).item();
    return { up, loss, weights: hashOf(model.parameters()), why: whyOneThread() ?? '' };
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

/** Functions are called from timers: what DevTools evaluates itself is above the policy of a page. */
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
  globalThis.runInWorker = (name, given) => new Promise((resolve, reject) => {
    const worker = new Worker('/worker.js', { type: 'module' });
    worker.onerror = ({ message }) => reject(new Error(message ?? 'the worker was not loaded'));
    worker.onmessage = ({ data: { value, error } }) => {
      worker.terminate();
      if (error === undefined) resolve(value);
      else reject(new Error(error));
    };
    worker.postMessage({ name, given });
  });
  globalThis.isReady = true;
`;

/** Pages load all packages as one file, of which the code of workers is a part. */
const makePages = (): Record<string, string> => ({
  '/mambagrad.js': browserModule(), '/work.js': work.replace("'mambagrad'", "'/mambagrad.js'"),
  '/': '<!doctype html><title>Threads</title><script type="module" src="/main.js"></script>',
  '/main.js': main, '/worker.js': worker,
});

interface Trained {
  readonly up: number;
  readonly loss: number;
  readonly weights: number;
  readonly why: string;
}

const HEADERS = /Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp$/;

describeInChromium('threads in Chromium', (browser) => {
  let pages: Record<string, string>;
  let isolated: Server;
  let expected: Readonly<Record<'long' | 'short', Trained>> & Record<'eager' | 'drawn', number>;

  beforeAll(async () => {
    pages = makePages();
    isolated = await serve({ isolated: true, pages });
    const print = `${work}
      const long = await train({ threads: 1, steps: 20 });
      const short = await train({ threads: 1, steps: 3 });
      const { weights: eager } = await train({ threads: 1, steps: 1, eager: true });
      console.log(JSON.stringify({ long, short, eager, drawn: draw() }));`;
    const flags = ['--input-type=module', '-'];
    const output = execFileSync(process.execPath, flags, { input: print, encoding: 'utf8' });
    expected = JSON.parse(output) as typeof expected;
  });
  afterAll(() => isolated?.close());

  /** Opens the page of a server, which may be one for this test alone. */
  async function open(options?: ServeOptions): Promise<Page> {
    const server = options ? await serve({ pages, ...options }) : isolated;
    const page = await (browser() as Browser).open(server.url);
    onTestFinished(async () => {
      await page.close();
      if (options) await server.close();
    });
    await page.waitFor('globalThis.isReady');
    return page;
  }

  const run = <T = Trained>(page: Page, name: string, given: object, where = 'run'): Promise<T> =>
    page.evaluate<T>(`${where}(${JSON.stringify(name)}, ${JSON.stringify(given)})`);

  const expectSameWeights = (trained: Trained, as: Trained = expected.short): void => {
    expect([trained.loss, trained.weights]).toEqual([as.loss, as.weights]);
  };

  test('give the bits of Node, one or two, in the page and in a worker', async () => {
    const page = await open();
    for (const where of ['run', 'runInWorker']) {
      for (const threads of [1, 2]) {
        const trained = await run(page, 'train', { threads, steps: 20 }, where);
        expect(trained.up).toBe(threads);
        expectSameWeights(trained, expected.long);
      }
    }
    await run(page, 'closeThreads', {});
    expectSameWeights(await run(page, 'train', { threads: 3 }));
    expect(page.errors).toEqual([]);
  });

  test('are not waited for by a loop that lets none start', async () => {
    const page = await open();
    for (const where of ['run', 'runInWorker']) {
      expectSameWeights(await run(page, 'train', { threads: 2, waits: false }, where));
    }
  });

  test('share iterations, and say so when they fail', async () => {
    const page = await open();
    const [bytes, failing] = [moduleFor(3), moduleFor(4, { traps: true })].map((module) => (
      `Uint8Array.of(${module.join()})`
    ));
    const found = await page.evaluate<{ threads: number[]; errors: string[] }>(`(async () => {
      const { theHeap } = await import('/packages/tensor/dist/compile/memory/heap.js');
      const { startThreads } = await import('/packages/tensor/dist/index.js');
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
    const page = await open({ isolated: false });
    for (const where of ['run', 'runInWorker']) {
      const trained = await run(page, 'train', { threads: 2 }, where);
      expect([trained.up, trained.why]).toEqual([1, expect.stringMatching(HEADERS)]);
      expectSameWeights(trained);
    }
    const warnings = page.messages.filter(({ kind }) => kind === 'warning');
    expect(warnings.map(({ text }) => text)).toContainEqual(expect.stringMatching(HEADERS));
  });

  test('need a policy that allows workers from Blobs, and else a warning names it', async () => {
    const script = "script-src 'self' 'wasm-unsafe-eval'";
    for (const [policy, up] of [[script, 1], [`${script}; worker-src 'self' blob:`, 2]] as const) {
      const page = await open({ isolated: true, policy });
      const trained = await run(page, 'train', { threads: 2 });
      expect(trained.up).toBe(up);
      expectSameWeights(trained);
      const why = 'must allow blob: in worker-src';
      const warnings = page.messages.filter(({ text }) => text.includes(why));
      expect([trained.why.includes(why), warnings.length > 0]).toEqual([up === 1, up === 1]);
    }
  });

  test('and code of any kind may be forbidden: then all that is eager runs', async () => {
    const page = await open({ isolated: true, policy: "script-src 'self'" });
    expect(await run<number>(page, 'draw', {})).toBe(expected.drawn);
    const { weights } = await run(page, 'train', { threads: 1, steps: 1, eager: true });
    expect(weights).toBe(expected.eager);
    const errors = [{}, { backend: 'wasm' }, { backend: 'js' }]
      .map((options) => run<string>(page, 'compileError', options));
    const [best, wasm, js] = await Promise.all(errors);
    const [forWasm, forJs] = ["script-src of the Content-Security-Policy needs 'wasm-unsafe-eval'",
      "script-src of the Content-Security-Policy needs 'unsafe-eval'"];
    expect(best).toMatch(/^compile: no backend can be used here, /);
    for (const [error, part] of [[best, forWasm], [best, forJs], [wasm, forWasm], [js, forJs]]) {
      expect(error).toContain(part);
    }
  });

  test('compile at most 8 MB in the main thread of a page, and a worker any number', async () => {
    const page = await open();
    const error = await page.evaluate<string>(`(async () => {
      const { compileModule } = await import('/packages/wasm/dist/index.js');
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
    const page = await open();
    const { longest, trained } = await page.evaluate<{ longest: number; trained: Trained }>(`(async () => {
      let longest = 0;
      const observer = new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
      });
      observer.observe({ entryTypes: ['longtask'] });
      const trained = await runInWorker('train', { threads: 2, steps: 60 });
      await new Promise((resolve) => setTimeout(resolve, 100));
      observer.disconnect();
      return { longest, trained };
    })()`);
    expect(trained.up).toBe(2);
    // A task is long from 50 ms on.
    expect(longest).toBe(0);
  });
});
