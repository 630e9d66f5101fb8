/**
 * Runs in a browser's storage: which checkpoint is the last, which ones go, and what is left when
 * the page dies. The database is one in memory here; test/browser/storage.test.ts has Chromium's.
 */
import {
  AdamW, DataLoader, Linear, mseLoss, reportPage, type StateDict, Trainer, type TrainerOptions,
} from '@mambagrad/nn';
import {
  browserCheckpoints, browserRun, listRuns, loadLog, loadRunOptions, removeRun,
} from '@mambagrad/nn/browser';
import { full, manualSeed, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, test, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { drawShape, drawTensor } from '../../support/draw.ts';
import {
  failureNamed, keyRanges, MemoryIndexedDB, type Operation,
} from '../../support/indexedDB.ts';
import { runs } from '../../support/soak.ts';

let site = new MemoryIndexedDB();
const warnings = vi.spyOn(console, 'warn');

/** Runs `work` in a page, which dies before the operation for which `moment` is true. */
async function liveUntil(moment: () => boolean, work: () => Promise<unknown>): Promise<void> {
  const death = new Promise<void>((resolve) => {
    site.before = () => {
      if (!moment()) return;
      site.kill();
      resolve();
    };
  });
  await Promise.race([work(), death]);
  site.before = () => undefined;
}

/** A browser in which nothing is stored yet. */
function openSite(): MemoryIndexedDB {
  site = new MemoryIndexedDB();
  vi.stubGlobal('indexedDB', site);
  return site;
}
const { setTimeout } = globalThis;
beforeEach(() => {
  openSite();
  // Lines are stored with checkpoints or on request: a page that has died stores none.
  vi.stubGlobal('setTimeout', (run: () => void, delay: number) => {
    if (delay < 1000) setTimeout(run, delay);
  });
  vi.stubGlobal('IDBKeyRange', keyRanges);
  warnings.mockReset().mockImplementation(() => undefined);
});
afterEach(() => vi.unstubAllGlobals());

const stateOf = (value: number): StateDict => new Map([['x', full([3], value)]]);
const valueOf = (state: StateDict | undefined) => state?.get('x')?.data[0];
const line = (step: number) => `${JSON.stringify({ step, metrics: { loss: 1 / step } })}\n`;

const keys = () => site.keys('mambagrad', 'checkpoints');
const stepsKept = () => keys().map(([, , step]) => step);

describe('browserCheckpoints', () => {
  it('loads what was saved last and keeps the last few, in whatever order steps come', async () => {
    const anySteps = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(anySteps, fc.integer({ min: 1, max: 4 }), async (steps, keep) => {
        openSite();
        for (const [i, step] of steps.entries()) {
          // Another page each time, which knows only what is stored.
          const store = browserCheckpoints('a', keep);
          await store.save(step, stateOf(i));
          expect(valueOf(await store.load())).toBe(i);
        }
        const last = [...new Set(steps.toReversed())].slice(0, keep);
        expect(stepsKept()).toEqual(last.toReversed());
      }),
      { numRuns: runs(20) },
    );
  });

  it('keeps whatever a state holds, and gives it back as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (g) => {
        const draw = () =>
          drawTensor(g, drawShape(g)).cast(g(fc.constantFrom, 'f32', 'f64', 'i32'));
        const state = new Map([['one', draw()], ['__proto__', draw()], ['', draw()]]);
        const store = browserCheckpoints(g(fc.string));
        await store.save(3, state);
        const found = await store.load();
        expect([...found?.keys() ?? []].sort()).toEqual([...state.keys()].sort());
        for (const [name, x] of state) expectSame(found?.get(name) ?? full([0], 0), x);
      }),
      { numRuns: 20 },
    );
  });

  it('keeps runs apart, whose names may begin alike', async () => {
    const names = ['', 'a', 'a\u0000', 'aa', 'b', '🐍'];
    for (const [i, name] of names.entries()) await browserCheckpoints(name, 1).save(i, stateOf(i));
    for (const [i, name] of names.entries()) {
      const store = browserCheckpoints(name);
      expect(valueOf(await store.load())).toBe(i);
      expect(store.source).toBe(`the run '${name}' in this browser`);
    }
    await removeRun('a');
    await removeRun('nowhere');
    expect(await listRuns()).toEqual(names.filter((name) => name !== 'a').sort());
    const store = browserCheckpoints('a');
    expect(await store.load()).toBeUndefined();
    expect(store.source).toBeUndefined();
  });

  it('lets tabs save at once: each checkpoint is whole, and the last one is the latest', async () => {
    const tabs = Array.from({ length: 4 }, () => browserCheckpoints('a', 2));
    await Promise.all(
      tabs.flatMap((tab, i) => [1, 2, 3].map((j) => tab.save(10 * i + j, stateOf(i)))),
    );
    const numbers = keys().map(([, number]) => number);
    expect(numbers).toEqual([11, 12]);
    expect(valueOf(await tabs[0].load())).toBe(Math.floor(Number(stepsKept()[1]) / 10));
  });

  it('offers the last whole one if newer ones are damaged, and says so', async () => {
    const store = browserCheckpoints('a', 3);
    for (const step of [1, 2, 3]) await store.save(step, stateOf(step));
    site.damage('mambagrad', 'checkpoints', ['a', 3, 3], new Uint8Array(100));
    site.damage('mambagrad', 'checkpoints', ['a', 2, 2], 'nothing');
    expect(valueOf(await store.load())).toBe(1);
    const said = warnings.mock.calls.flat().join();
    expect(said).toMatch(/left out: step 3 of the run 'a': safetensors: /);
    expect(said).toContain("left out: step 2 of the run 'a': it is not a Uint8Array");
    site.damage('mambagrad', 'checkpoints', ['a', 1, 1], Uint8Array.of());
    await expect(store.load()).rejects.toThrow(
      /no checkpoint can be read:\n.*step 3.*\n.*step 2.*\n.*step 1/,
    );
  });

  it('goes on to an earlier one where the browser cannot read the latest', async () => {
    const store = browserCheckpoints('a');
    for (const step of [1, 2]) await store.save(step, stateOf(step));
    let isFirst = true;
    site.before = (operation) => {
      if (operation === 'get' && isFirst) {
        isFirst = false;
        throw failureNamed('NotReadableError');
      }
    };
    expect(valueOf(await store.load())).toBe(1);
    expect(warnings.mock.calls.flat().join()).toContain(
      "left out: step 2 of the run 'a': the browser's database: a failure: NotReadableError",
    );
  });

  it('looks again if another tab has removed what was listed', async () => {
    const store = browserCheckpoints('a', 1);
    await store.save(1, stateOf(1));
    let isListed = false;
    site.before = (operation) => {
      if (operation !== 'getAllKeys' || isListed) return;
      isListed = true;
      void store.save(2, stateOf(2));
    };
    expect(valueOf(await store.load())).toBe(2);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('refuses what cannot be right', async () => {
    for (const keep of [0, -1, NaN, 1.5, '2' as never]) {
      expect(() => browserCheckpoints('a', keep)).toThrow(
        /^browserCheckpoints: keep is .*, expected a whole number from 1 or Infinity$/,
      );
    }
    expect(() => browserCheckpoints(undefined as never)).toThrow(
      'browserCheckpoints: name is missing',
    );
    expect(() => browserRun(3 as never)).toThrow('browserRun: name is 3');
    const store = browserCheckpoints('a', Infinity);
    await expect(store.save(NaN, stateOf(1))).rejects.toThrow('browserCheckpoints: step is NaN');
    for (let step = 0; step < 5; step++) await store.save(step, stateOf(step));
    expect(stepsKept()).toEqual([0, 1, 2, 3, 4]);
    await expect(loadLog('a')).rejects.toThrow(
      "loadLog: there is no log of a run 'a' in this browser",
    );
  });
});

describe('whenever the page dies', () => {
  /** What the trainer does: lines, and now and then a checkpoint. The page dies at a moment. */
  async function trainUntil(moment: number): Promise<number> {
    const { log, checkpoints } = browserRun('a', { keep: 2 });
    let [count, saved] = [0, 0];
    await liveUntil(() => ++count === moment, async () => {
      for (let step = 1; step <= 6; step++) {
        log.write(line(step));
        if (step % 2 === 1) continue;
        await checkpoints.save(step, stateOf(step));
        saved = step;
      }
    });
    return saved;
  }

  it('the last checkpoint that was saved is there, or the next, with the log up to it', async () => {
    const found = new Set<number>();
    for (let moment = 1; moment <= 40; moment++) {
      openSite();
      const saved = await trainUntil(moment);
      const step = valueOf(await browserCheckpoints('a').load()) ?? 0;
      expect([saved, saved + 2]).toContain(step);
      expect(stepsKept()).toEqual([2, 4, 6].filter((each) => each <= step).slice(-2));
      if (step > 0) expect((await loadLog('a')).steps.at(-1)?.step).toBe(step);
      found.add(step);
    }
    expect([...found].sort()).toEqual([0, 2, 4, 6]);
  });

  it.each<Operation>(['getAllKeys', 'put', 'delete', 'commit'])(
    'a save that fails in %s changes nothing, and the next one has its lines', async (wrong) => {
      const { log, checkpoints } = browserRun('a', { keep: 1 });
      log.write(line(1));
      await checkpoints.save(1, stateOf(1));
      log.write(line(2));
      site.before = (operation) => {
        if (operation === wrong) throw failureNamed('UnknownError');
      };
      await expect(checkpoints.save(2, stateOf(2))).rejects.toThrow(
        "browserCheckpoints: the browser's database: a failure: UnknownError",
      );
      site.before = () => undefined;
      expect(valueOf(await checkpoints.load())).toBe(1);
      expect((await loadLog('a')).steps).toHaveLength(1);
      log.write(line(3));
      await checkpoints.save(3, stateOf(3));
      expect(stepsKept()).toEqual([3]);
      expect((await loadLog('a')).steps.map(({ step }) => step)).toEqual([1, 2, 3]);
    },
  );

  it('says that there is no more room, and how much there is', async () => {
    const store = browserCheckpoints('a', 1);
    await store.save(1, stateOf(1));
    vi.stubGlobal('navigator', { storage: { estimate: async () => ({ usage: 9.94e6 }) } });
    site.before = (operation) => {
      if (operation === 'put') throw failureNamed('QuotaExceededError');
    };
    const problem = 'browserCheckpoints: the browser gives this site no more room';
    const advice =
      '; all that was saved before is still there. Remove other runs (removeRun), or keep';
    await expect(store.save(2, stateOf(2))).rejects.toThrow(`${problem} (it uses 9.9 MB)${advice}`);
    vi.stubGlobal('navigator', { storage: { estimate: () => Promise.reject(new Error('no')) } });
    await expect(store.save(2, stateOf(2))).rejects.toThrow(problem + advice);
    site.before = () => undefined;
    expect(valueOf(await store.load())).toBe(1);
  });
});

describe('browserRun', () => {
  const options = (): TrainerOptions<{ x: Tensor; y: Tensor }> => {
    manualSeed(1);
    const model = new Linear(2, 1);
    const samples = Array.from({ length: 12 }, (_, i) => ({ x: [Math.sin(i), i % 3], y: [i % 2] }));
    return {
      model,
      optimizer: new AdamW(model.parameters(), { lr: 0.1 }),
      data: new DataLoader(samples, { batchSize: 4, shuffle: true, seed: 2 }),
      loss: ({ x, y }) => ({ loss: mseLoss(model.forward(x), y) }),
      compile: false, checkpointEvery: 3, resume: true,
    };
  };

  it('a trainer goes on with it as if the page had never been closed', async () => {
    const whole = new Trainer(options());
    await whole.fit(12);
    let step = 0;
    for (const end of [4, 7, 11]) {
      const kill = (record: { step: number }): void => {
        ({ step } = record);
        if (step === end) throw new Error('the tab is closed');
      };
      const trainer = new Trainer({ ...options(), callbacks: [kill], ...browserRun('line') });
      await liveUntil(() => step === end, () => trainer.fit(12));
      expect(step).toBe(end);
    }
    const run = browserRun('line');
    const last = new Trainer({ ...options(), ...run });
    await last.fit(12);
    for (const [name, x] of last.stateDict()) {
      expectSame(x, whole.stateDict().get(name) ?? tensor(0));
    }
    await run.log.flush();
    const log = await loadLog('line');
    expect(log.steps.map((each) => each.step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(log.events.map(({ event }) => event)).toEqual(
      ['begin', 'begin', 'resume', 'begin', 'resume', 'begin', 'resume', 'end'],
    );
    expect(reportPage(log, { title: 'line' })).toContain('<h1>line</h1>');
  });

  it('remembers the options that a run was begun with, and refuses others', async () => {
    const begin = async (given: object, mayChange?: string[]): Promise<void> => {
      const { checkpoints } = browserRun('a', { options: given, mayChange });
      await checkpoints.load();
    };
    const options = { hidden: 32, name: 'x', sizes: [1, 2], none: undefined };
    expect(await loadRunOptions('a')).toBeUndefined();
    // Before anything is trained they may still change.
    await begin({ hidden: 16 });
    await begin(options);
    const kept = await loadRunOptions<{ hidden: number }>('a');
    expect(kept).toEqual({ hidden: 32, name: 'x', sizes: [1, 2] });
    expectTypeOf(kept).toEqualTypeOf<{ hidden: number } | undefined>();
    await browserRun('a', { options }).checkpoints.save(2, stateOf(2));
    await begin({ ...options });
    expect(valueOf(await browserRun('a').checkpoints.load())).toBe(2);
    const others = { ...options, hidden: 64, sizes: [1, 3], epochs: 4 };
    const problem =
      "browserRun: the run 'a' in this browser has been begun with other options: hidden " +
      'was 32, is 64; sizes was [1,2], is [1,3]; epochs was not given, is 4; give the same ones, ' +
      'or another name';
    await expect(begin(others)).rejects.toThrow(problem);
    const { checkpoints, log } = browserRun('a', { options: others });
    log.write(line(3));
    await expect(checkpoints.save(3, stateOf(3))).rejects.toThrow(problem);
    await expect(log.flush()).rejects.toThrow(problem);
    await expect(loadLog('a')).rejects.toThrow('there is no log');
    expect(stepsKept()).toEqual([2]);
    expect(await loadRunOptions('a')).toEqual(kept);
    await begin({ ...options, epochs: 4 }, ['epochs']);
    expect(await loadRunOptions('a')).toEqual({ ...kept, epochs: 4 });

    expect(() => browserRun('a', { options: { rate: NaN } })).toThrow(
      'browserRun: options.rate is NaN, which JSON',
    );
    expect(() => browserRun('a', { options: [1] })).toThrow(
      'options is [1], expected a plain object of options',
    );
    site.damage('mambagrad', 'options', ['a'], '{"hidden":');
    await expect(loadRunOptions('a')).rejects.toThrow("of the run 'a' is not JSON: {\"hidden\":");
    site.damage('mambagrad', 'options', ['a'], '3');
    await expect(begin(options)).rejects.toThrow("of the run 'a' is 3, expected an object");
    await removeRun('a');
    expect([await loadRunOptions('a'), await listRuns()]).toEqual([undefined, []]);
  });

  it('remembers options of which the database of an earlier version knows nothing', async () => {
    const request = site.open('mambagrad', 1);
    await new Promise<void>((resolve) => {
      const earlier = () => request.result as { createObjectStore(name: string): void };
      request.onupgradeneeded = () => {
        for (const table of ['checkpoints', 'logs']) earlier().createObjectStore(table);
      };
      request.onsuccess = resolve;
    });
    await browserRun('a', { options: { hidden: 2 } }).checkpoints.save(1, stateOf(1));
    expect(await loadRunOptions('a')).toEqual({ hidden: 2 });
  });

  it('tries again if its options could not be stored', async () => {
    const { checkpoints } = browserRun('a', { options: { hidden: 2 } });
    site.before = () => { throw failureNamed('UnknownError'); };
    await expect(checkpoints.save(1, stateOf(1))).rejects.toThrow(
      "browserRun: the browser's database",
    );
    site.before = () => undefined;
    await checkpoints.save(1, stateOf(1));
    expect([stepsKept(), await loadRunOptions('a')]).toEqual([[1], { hidden: 2 }]);
  });

  it('stores lines within about a second, in parts of some size, in order', async () => {
    const { log } = browserRun('long');
    const timers: (() => void)[] = [];
    vi.stubGlobal('setTimeout', (run: () => void) => timers.push(run));
    const text = 'x'.repeat(1000);
    for (let i = 0; i < 200; i++) {
      log.write(`${JSON.stringify({ event: 'note', step: i, text })}\n`);
      if (i % 10 === 9) {
        timers.pop()?.();
        await log.flush();
      }
      expect(timers).toHaveLength(i % 10 === 9 ? 0 : 1);
    }
    await log.flush();
    const { events, brokenLines } = await loadLog('long');
    expect(events.map(({ step }) => step)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(brokenLines).toEqual([]);
    expect(site.keys('mambagrad', 'logs').length).toBeGreaterThan(2);
    expect(await listRuns()).toEqual(['long']);
  });

  it('warns once if lines cannot be stored, and keeps them', async () => {
    vi.stubGlobal('setTimeout', (run: () => void) => setTimeout(run, 1));
    const { log } = browserRun('a');
    site.before = () => { throw failureNamed('UnknownError'); };
    for (const step of [1, 2]) {
      log.write(line(step));
      await new Promise<void>((resolve) => { setTimeout(resolve, 20); });
      await expect(log.flush()).rejects.toThrow('browserRun: the browser\'s database');
    }
    expect(warnings).toHaveBeenCalledTimes(1);
    expect(warnings.mock.calls.flat().join()).toContain('the log is not stored: browserRun:');
    site.before = () => undefined;
    await log.flush();
    expect((await loadLog('a')).steps).toHaveLength(2);
  });
});

test('where there is no database, an error says so', async () => {
  vi.stubGlobal('indexedDB', undefined);
  for (const call of [() => browserCheckpoints('a'), () => browserRun('a')]) {
    expect(call).toThrow(/^browser\w+: there is no IndexedDB here.*checkpointFolder/);
  }
  await expect(listRuns()).rejects.toThrow('listRuns: there is no IndexedDB here');
  vi.stubGlobal('indexedDB', { open: () => { throw failureNamed('SecurityError'); } });
  await expect(browserCheckpoints('a').load()).rejects.toThrow(
    'browserCheckpoints: the browser does not open its database: a failure: SecurityError (is this',
  );
  openSite().open('mambagrad', 3);
  await expect(removeRun('a')).rejects.toThrow('(a later version of mambagrad has made it)');
});
