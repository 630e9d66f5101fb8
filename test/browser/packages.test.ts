/**
 * The packages in Chromium give what they give in Node: training, generation, data and files, in a
 * page and in a worker, bit for bit where that is promised (docs/promises.md). Chromium has another
 * V8 than Node, whose Math.exp and the like differ in the last bit of a float64.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundledPages } from '../support/bundled.ts';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { type Call, programs, runOn } from '../support/engines.ts';
import { serve, type Server } from '../support/server.ts';
import { someOf } from '../support/soak.ts';

interface Trained {
  readonly losses: readonly number[];
  readonly weights: Readonly<Record<string, string>>;
}

interface Saved {
  readonly bytes: readonly number[];
  readonly weights: object;
  readonly loaded: object;
}

interface Case {
  readonly call: Call;
  /**
   * Whether the bits are the same on all engines; they are not where functions of the engine are
   * used, or its fused multiply-add.
   */
  readonly isExact: boolean;
}

const exact = (...call: Call): Case => ({ call, isExact: true });
const near = (...call: Call): Case => ({ call, isExact: false });

/** What is run each time, in the page and in the worker. */
const always = [exact('train', {}), exact('save', {})];
/** What is run in the page, in the worker, in both or in neither, as the seed chooses. */
const others = [
  exact('train', { backend: 'js' }), exact('train', { layer: 'mamba2', steps: 5 }),
  exact('train', { layer: 'mamba3', steps: 5 }), exact('generate', {}), exact('load', {}),
  near('train', { eager: true, steps: 5 }), near('train', { deterministic: false }),
];

const places = [
  { where: 'the page', isIsolated: false, load: `
    import('/bundled.js').then(({ runProgram }) => { window.run = runProgram; })` },
  { where: 'a module worker', isIsolated: true, load: `
    const worker = new Worker('/worker.js', { type: 'module' });
    window.run = (...call) => new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => data.error ? reject(data.error) : resolve(data.result);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(call);
    });` },
];

const chosen = someOf(places.flatMap((place) => others.map((one) => ({ place, one }))));
/** The cases of each place. */
const casesIn = new Map(places.map((place) =>
  [place, [...always, ...chosen.filter((each) => each.place === place).map(({ one }) => one)]]));
const calls = [...new Set([...casesIn.values()].flat())];

const isCompiled = existsSync(`${programs}run.js`);

/** The entries of the packages that are not for Node, and do not need what users install beside. */
function entries(): string[] {
  const packages = new URL('../../packages/', import.meta.url);
  return readdirSync(packages).flatMap((folder) => {
    const path = new URL(`${folder}/package.json`, packages);
    if (!existsSync(path)) return [];
    const { name, exports } = JSON.parse(readFileSync(path, 'utf8')) as {
      name: string; exports: Record<string, unknown>;
    };
    return Object.keys(exports)
      .filter((entry) => !/^\.\/(?:node|testing|package\.json)$/.test(entry))
      .map((entry) => name + entry.slice(1));
  });
}

test('the programs are compiled', () => {
  expect(isCompiled, 'run `npm run build` first').toBe(true);
});

describeInChromium('in Chromium', (browser) => {
  let server: Server;
  let isolated: Server;
  let expected: Promise<readonly unknown[]>;

  beforeAll(async () => {
    // It runs while pages load, and is awaited where it is needed.
    expected = runOn('Node', calls.map(({ call }) => call));
    expected.catch(() => undefined);
    const pages = { '/': '<!doctype html><title>tests</title>', ...bundledPages() };
    server = await serve({ pages });
    isolated = await serve({ pages, isolated: true });
  });
  afterAll(() => Promise.all([server.close(), isolated.close()]));

  test('every entry that is not for Node loads, and brings nothing of Node', async () => {
    const names = entries();
    expect(names.length).toBeGreaterThan(10);
    const module = names.map((name) => `import '${name}';`).join('\n');
    const own = await serve(
      { pages: { '/': `<script type="module">${module}\nwindow.loaded = 1</script>` } },
    );
    const page = await browser().open(own.url);
    expect(page.messages).toEqual([]);
    expect(await page.evaluate('window.loaded')).toBe(1);
    expect(own.requests.length).toBeGreaterThan(200);
    expect(own.requests.filter((path) => path.includes('.node.'))).toEqual([]);
    await page.close();
    await own.close();
  });

  describe.each(places)('in $where (isolated: $isIsolated)', (place) => {
    const { isIsolated, load } = place;
    const cases = casesIn.get(place) ?? [];
    let page: Page;
    const run = <T>([name, options = {}]: Call): Promise<T> =>
      page.evaluate<T>(`run(${JSON.stringify(name)}, ${JSON.stringify(options)})`);

    beforeAll(async () => {
      page = await browser().open((isIsolated ? isolated : server).url);
      await page.evaluate(load);
    });
    afterAll(async () => {
      expect(page.messages).toEqual([]);
      await page.close();
    });

    const resultOf = async (one: Case): Promise<unknown> => (await expected)[calls.indexOf(one)];
    const named = (isExact: boolean) => cases.filter((one) => one.isExact === isExact)
      .map((one) => ({ name: one.call[0], options: one.call[1], one }));

    test.for(named(true))(
      '$name $options gives the bits that it has in Node', async ({ one }) => {
        expect(await run(one.call)).toEqual(await resultOf(one));
      },
    );

    test.for(named(false))(
      'training with $options gives what it gives in Node, but for roundings', async ({ one }) => {
        const { losses, weights } = await run<Trained>(one.call);
        const inNode = await resultOf(one) as Trained;
        expect(Object.keys(weights)).toEqual(Object.keys(inNode.weights));
        expect(losses).toHaveLength(inNode.losses.length);
        losses.forEach((loss, step) => expect(loss).toBeCloseTo(inNode.losses[step], 4));
      },
    );

    test('weights that Node has saved are loaded, and saved as the same bytes', async () => {
      const inNode = await resultOf(always[1]) as Saved;
      const { bytes, weights, loaded } = await run<Saved>(['save', { bytes: inNode.bytes }]);
      expect(loaded).toEqual(weights);
      expect(bytes).toEqual(inNode.bytes);
    });
  });
});
