/**
 * The packages in Chromium give what they give in Node: training, generation, data and files, in a
 * page and in a worker, bit for bit where that is promised (docs/promises.md). Chromium has another
 * V8 than Node, whose Math.exp and the like differ in the last bit of a float64.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { type Call, programs, runOn } from '../support/engines.ts';
import { serve, type Server } from '../support/server.ts';

interface Trained {
  readonly losses: readonly number[];
  readonly weights: Readonly<Record<string, string>>;
}

interface Saved {
  readonly bytes: readonly number[];
  readonly weights: object;
  readonly loaded: object;
}

/** Programs whose results are the same, bit for bit, on all engines. */
const exact: readonly Call[] = [
  ['train', {}], ['train', { backend: 'js' }], ['train', { layer: 'mamba2', steps: 5 }],
  ['train', { layer: 'mamba3', steps: 5 }], ['generate', {}], ['load', {}], ['save', {}],
];
/** Those that use functions of the engine, or its fused multiply-add. */
const near: readonly Call[] = [
  ['train', { eager: true, steps: 5 }], ['train', { deterministic: false }],
];

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
    const options = { modules: { programs }, pages: { '/': '<!doctype html><title>tests</title>' } };
    server = await serve(options);
    isolated = await serve({ ...options, isolated: true });
    // It runs while pages load, and is awaited where it is needed.
    expected = runOn('Node', [...exact, ...near]);
    expected.catch(() => undefined);
  });
  afterAll(() => Promise.all([server.close(), isolated.close()]));

  test('every entry that is not for Node loads, and brings nothing of Node', async () => {
    const page = await browser().open(server.url);
    const names = entries();
    expect(names.length).toBeGreaterThan(10);
    const module = names.map((name) => `import '${name}';`).join('\n');
    const own = await serve({ pages: { '/': `<script type="module">${module}\nwindow.loaded = 1</script>` } });
    await page.goto(own.url);
    expect(page.messages).toEqual([]);
    expect(await page.evaluate('window.loaded')).toBe(1);
    expect(own.requests.length).toBeGreaterThan(200);
    expect(own.requests.filter((path) => path.includes('.node.'))).toEqual([]);
    await page.close();
    await own.close();
  });

  const places = [
    { where: 'the page', isIsolated: false, load: `
      import('/programs/programs.js').then(({ runProgram }) => { window.run = runProgram; })` },
    { where: 'a module worker', isIsolated: true, load: `
      const worker = new Worker('/programs/worker.js', { type: 'module' });
      window.run = (...call) => new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => data.error ? reject(data.error) : resolve(data.result);
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage(call);
      });` },
  ];

  describe.each(places)('in $where (isolated: $isIsolated)', ({ isIsolated, load }) => {
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

    test.each(exact.map((call, i) => ({ name: call[0], options: call[1], call, i })))(
      '$name $options gives the bits that it has in Node', async ({ call, i }) => {
        expect(await run(call)).toEqual((await expected)[i]);
      },
    );

    test.each(near.map((call, i) => ({ options: call[1], call, i })))(
      'training with $options gives what it gives in Node, but for roundings', async ({ call, i }) => {
        const { losses, weights } = await run<Trained>(call);
        const inNode = (await expected)[exact.length + i] as Trained;
        expect(Object.keys(weights)).toEqual(Object.keys(inNode.weights));
        expect(losses).toHaveLength(inNode.losses.length);
        losses.forEach((loss, step) => expect(loss).toBeCloseTo(inNode.losses[step], 4));
      },
    );

    test('weights that Node has saved are loaded, and saved as the same bytes', async () => {
      const inNode = (await expected)[exact.findIndex(([name]) => name === 'save')] as Saved;
      const { bytes, weights, loaded } = await run<Saved>(['save', { bytes: inNode.bytes }]);
      expect(loaded).toEqual(weights);
      expect(bytes).toEqual(inNode.bytes);
    });
  });
});
