/**
 * The bundler: what a bundle exports and computes is what the modules do, and nothing is imported.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bundler, prelude } from '../../scripts/bundle/bundle.ts';
import { readModule } from '../../scripts/bundle/modules.ts';
import { browserModule, packageEntries } from '../../scripts/bundle/packages.ts';
import { tokensOf } from '../../scripts/bundle/tokens.ts';
import { type Draw, drawProgram } from './programs.ts';
import { drawingParts, partsOf } from '../../scripts/book/site/parts.ts';
import { workerCode } from '../../scripts/book/src/scripts.ts';
import { run, runWell } from '../../scripts/publish/src/command.ts';
import { runs } from '../support/soak.ts';

const folder = mkdtempSync(join(tmpdir(), 'mambagrad-bundle-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Exports = Readonly<Record<string, unknown>>;

/** Writes modules, and gives the exports of the first: bundled, and as the engine sees them. */
async function both(
  sources: Readonly<Record<string, string>>, keepsFunctions = true,
): Promise<[Exports, Exports]> {
  const own = mkdtempSync(join(folder, 'modules-'));
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(own, name), text);
  const bundler = new Bundler({ root: own, find: () => undefined, keepsFunctions });
  const file = join(own, Object.keys(sources)[0]);
  const code = `${prelude}${bundler.add([file])}return ${bundler.expression(file)};`;
  // The code of a bundle is a script: a function can be made of it.
  const bundled = new Function(code)() as Exports;
  return [bundled, await import(pathToFileURL(file).href) as Exports];
}

/**
 * Whole numbers that follow from a seed. A program takes too many for fast-check to make it
 * smaller.
 */
function draws(seed: number): Draw {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * (most + 1));
  };
}

/** What `both` throws. */
async function failureOf(sources: Readonly<Record<string, string>>): Promise<string> {
  return both(sources).then(() => 'nothing was thrown', (error: Error) => error.message);
}

describe('bundled modules', () => {
  test('export what modules export, in every form', async () => {
    const [bundled, own] = await both({
      'main.mjs': `
        import { half, twice as double } from './math.mjs';
        import * as math from './math.mjs';
        import first, { last } from './list.mjs';
        import './list.mjs';
        export * from './math.mjs';
        export { half as part, last as end } from './passed.mjs';
        export * as all from './passed.mjs';
        export { first as var, double as default };
        export const one = half(2), two = [1, 2].map((x) => x)[1], text = \`\${[1, 2]} ; , \`;
        export function* numbers() { yield* [one, two]; }
        export async function later() { return first; }
        export class Thing { export(x) { return x; } }
        /* import { nothing } from 'nowhere'; */
        export const code = \`
          import { nothing } from 'nowhere';
          export const inner = \${Object.keys(math).length};\`;
        export const third = 4 / 2 / /[/]/.exec('/').length;
        export const signs = 1 - -1 + +1, isIt = typeof 'x' in { string: 1 };
        const hidden = 1;`,
      'math.mjs': 'export const zero = 0, twice = (x) => 2 * x; export const half = (x) => x / 2;',
      'list.mjs': 'const list = [1, 2]; export { list as default }; ' +
        'export const last = list.at(-1);',
      'passed.mjs': "export { half } from './math.mjs'; export { last } from './list.mjs';",
    });
    expect(Object.keys(bundled)).toEqual(Object.keys(own).sort());
    const plain = (all: Exports) => JSON.parse(JSON.stringify(all)) as unknown;
    expect(plain(bundled)).toEqual(plain(own));
    for (const name of Object.keys(own)) expect(typeof bundled[name]).toBe(typeof own[name]);
    expect([...(bundled['numbers'] as () => Iterable<number>)()]).toEqual([1, 2]);
    expect(bundled['third']).toBe(2);
  });

  test('run once each, after those that they import', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    await fc.assert(fc.asyncProperty(fc.gen(), async (g) => {
      const sources = Object.fromEntries(names.map((name, i) => {
        const needed = names.slice(i + 1).filter(() => g(fc.boolean));
        const imports = needed.map((each) => `import { ${each} } from './${each}.mjs';\n`);
        const sum = ['1', ...needed].join(' + ');
        return [`${name}.mjs`, `${imports.join('')}export const ${name} = ${sum};`];
      }));
      const [bundled, own] = await both(sources);
      expect(bundled).toEqual({ ...own });
    }), { numRuns: runs(20) });
  });

  test('are left out where another one only passes them on, and no name of theirs is used', () => {
    const own = mkdtempSync(join(folder, 'modules-'));
    for (const [name, text] of Object.entries({
      'main.mjs': "import { used } from './outer.mjs'; export const main = used;",
      'outer.mjs': "export { used } from './index.mjs';",
      'index.mjs': "export { used } from './used.mjs'; export { other } from './other.mjs';",
      'used.mjs': "export const used = 'it is used';",
      'other.mjs': "export const other = 'it is not';",
      'effect.mjs': "import { done } from './effects.mjs'; export const effect = done;",
      'effects.mjs': "import './other.mjs'; export { used as done } from './used.mjs';",
    })) writeFileSync(join(own, name), text);
    const bundled = (name: string): string => (
      new Bundler({ root: own, find: () => undefined, keepsFunctions: true }).add([join(own, name)])
    );
    expect(bundled('main.mjs')).toContain('it is used');
    expect(bundled('main.mjs')).not.toContain('it is not');
    expect(bundled('index.mjs')).toContain('it is not');
    // Such a module may be there for what it does.
    expect(bundled('effect.mjs')).toContain('it is not');
  });

  test('lose commas and semicolons that mean nothing, and no others', async () => {
    const [bundled, own] = await both({
      'main.mjs': `
        export const list = [1, 2, ], holes = [1, , ].length, hole = [, ].length;
        export const object = { a: 1, b: [3, ], };
        export function count(to) {
          let n = 0;
          { for (; n < to; n++); }
          { while (n > 3) n--; }
          return n;
        }
        export class Point { x = 1; y = 2; }
        export const sum = ((a, b, ) => { return a + b; })(1, 2, );
        export function least(a, b, ) { if (a < b) { return a; } else { return b; } }`,
    });
    const seen = ({ list, holes, hole, object, count, Point, sum, least }: Exports) => [
      list, holes, hole, object, (count as (to: number) => number)(5),
      { ...new (Point as new () => object)() }, sum, (least as typeof Math.min)(2, 1),
    ];
    expect(seen(bundled)).toEqual(seen(own));
  });

  test('compute the same with short names, whatever they are called', async () => {
    let count = 0;
    await fc.assert(fc.asyncProperty(fc.nat(), fc.boolean(), async (seed, keepsFunctions) => {
      const sources = drawProgram(draws(seed));
      const [bundled, own] = await both(sources, keepsFunctions);
      expect(bundled, sources['main.mjs']).toEqual({ ...own });
      count += (own['shown'] as unknown[]).length;
    }), { numRuns: 20 });
    expect(count).toBeGreaterThan(10);
  });

  test('keep the names of functions that somebody can ask for', async () => {
    const sources = {
      'main.mjs': `
        import { helper } from './other.mjs';
        const called = (x) => x, passed = () => 1, outer = function () { return outer.name; };
        class Thing { name; constructor() { this.name = new.target.name; } }
        export const exported = () => called(new Error().stack), asynchronous = async (x) => x;
        export const names = [passed, helper, Thing, ((x) => x)].map(({ name }) => name);
        export const thing = new Thing().name, own = outer();`,
      'other.mjs': 'export function helper() {} export class Other {}',
    };
    for (const keepsFunctions of [true, false]) {
      const [bundled, own] = await both(sources, keepsFunctions);
      expect({ ...bundled }).toMatchObject({ names: own['names'], thing: 'Thing', own: 'outer' });
      expect((bundled['exported'] as { name: string }).name).toBe('exported');
      expect((bundled['asynchronous'] as { name: string }).name).toBe('asynchronous');
    }
    const code = (keepsFunctions: boolean) => {
      const file = join(folder, 'called.mjs');
      writeFileSync(file, 'const called = (long) => long; export const used = called(1);');
      return new Bundler({ root: folder, find: () => undefined, keepsFunctions }).add([file]);
    };
    expect(code(true)).toContain('const called=(a)=>a,');
    expect(code(false)).not.toContain('called');
  });

  test('are not put into a later bundle again', () => {
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const shared = write('shared.mjs', 'export const list = [];');
    const [a, b] = ['a', 'b'].map((name) => write(`${name}.mjs`,
      `import { list } from './shared.mjs'; list.push('${name}'); export { list };`));
    const bundler = new Bundler({ root: folder, find: () => undefined, keepsFunctions: true });
    const [first, second] = [bundler.add([a]), bundler.add([b])];
    expect(second).not.toContain('const list');
    const run = new Function(`${prelude}${first}${second}return ${bundler.expression(shared)};`);
    expect((run() as { list: string[] }).list).toEqual(['a', 'b']);
  });

  test('that cannot be bundled are errors that say why, and where', async () => {
    const other = { 'other.mjs': 'export const other = 1;' };
    const main = (text: string) => failureOf({ 'main.mjs': text, ...other });
    expect(await main('\nexport let count = 0;')).toMatch(new RegExp(
      '^main.mjs:2: exports `let`, expected a function, a class, a const or a list; ' +
        'a bundle passes',
    ));
    for (const change of ['count = 1', 'count++', '--count', 'count ??= 2', 'count += 1']) {
      const text = `let count = 0; export { count }; export const f = () => { ${change}; };`;
      expect(await main(text), change).toMatch('exports the variable count');
    }
    expect(await main('export default 1;')).toMatch('main.mjs:1: exports `default`, expected');
    expect(await main('const { a } = {};\nexport const { b } = {};')).toMatch(
      'main.mjs:2: `{`, exp',
    );
    expect(await main("const f = () => import('./other.mjs');")).toMatch('main.mjs:1: `import()`');
    expect(await main('const here = import.meta.url;')).toMatch('main.mjs:1: `import()`');
    expect(await main('await 1;')).toMatch('main.mjs: its code cannot be bundled');
    expect(await main("import { a } from './other.mjs'\n")).toMatch('expected `;`');
    expect(await main('const $1 = 1;')).toMatch('names such as $1 are those of the bundle');
    expect(await main('const a = 1, o = { a b: 1 };')).toMatch(
      '`a` stands before `b` in an object',
    );
    expect(await main('const a = 1;\na\n{ a; }')).toMatch('a brace stands behind `a`');
    expect(await main('class A { x = 1\n y = 2; }')).toMatch('`y` follows a value: end it');
    expect(await main("import 'node:fs';")).toBe(
      "main.mjs: imports 'node:fs', which has no place in this bundle");
    expect(await failureOf({
      'main.mjs': "export * from './a.mjs'; export * from './b.mjs';",
      'a.mjs': 'export const a = 1;', 'b.mjs': 'export const a = 2;',
    })).toBe('main.mjs: exports a twice');
    expect(await main("import { a } from './other.mjs';")).toBe(
      "main.mjs: imports a from './other.mjs', which does not export it");
    expect(await failureOf({
      'main.mjs': "import './b.mjs';", 'b.mjs': "import './main.mjs';",
    })).toBe('main.mjs: imports itself: main.mjs → b.mjs → main.mjs');
  });
});

describe('mambagrad/browser', () => {
  const file = join(folder, 'browser.mjs');
  let text = '';
  let [bundled, own] = [{ names: [''], losses: [0] }, { names: [''], losses: [0] }];
  beforeAll(async () => {
    text = browserModule();
    writeFileSync(file, text);
    const files =
      [file, packageEntries().get('mambagrad/browser') ?? ''].map((path) => pathToFileURL(path));
    writeFileSync(join(folder, 'compare.mjs'), `${train}
      console.log(JSON.stringify([
        await train('${files[0].href}'), await train('${files[1].href}'),
      ]));`);
    const { output } = await runWell(process.execPath, ['compare.mjs'], { cwd: folder });
    [bundled, own] = JSON.parse(output.slice(output.indexOf('[{'))) as [typeof bundled, typeof own];
  });

  /** What a package exports, and the losses of a few steps of training with it. */
  const train = `async function train(url) {
    const all = await import(url);
    const { AdamW, compile, crossEntropy, manualSeed, MambaLM, selectiveCopying } = all;
    manualSeed(1);
    const model = new MambaLM({ vocabSize: 8, hiddenSize: 16, stateSize: 8, numLayers: 1 });
    const optimizer = new AdamW(model.parameters(), { lr: 0.01 });
    const { inputs, targets } = selectiveCopying(2, { tokens: 2, places: 6 });
    const step = compile((x, y) => {
      const loss = crossEntropy(model.forward(x).narrow(1, 6, y.shape[1]), y);
      optimizer.minimize(loss);
      return loss;
    });
    const losses = Array.from({ length: 5 }, () => step(inputs, targets).item());
    all.closeThreads();
    return { names: Object.entries(all).map(([name, value]) => name + ' ' + typeof value), losses };
  }`;

  test('exports what the packages export', () => {
    expect(own.names).toContain('tensor function');
    expect(bundled.names).toEqual(own.names);
  });

  test('trains to the same bits', () => {
    expect(own.losses[4]).toBeLessThan(own.losses[0]);
    expect(bundled.losses).toEqual(own.losses);
  });

  test('imports nothing, and has no comments but its first line', () => {
    const kinds = tokensOf(text).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'comment')).toHaveLength(1);
    expect(readModule('browser.mjs', text.slice(0, text.lastIndexOf('const {')))).toMatchObject(
      { specifiers: [], imports: [], exports: [] },
    );
  });

  test('has a size that pages can load: at most 230 kB with gzip, 200 kB with Brotli', () => {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 9 };
    expect(brotliCompressSync(text, { params }).length).toBeLessThan(200_000);
    expect(gzipSync(text).length).toBeLessThan(230_000);
  });

  const specifiers = [
    '', '@mambagrad/nn', '@mambagrad/nn/node', 'node:fs', '@mambagrad/nn/browser', 'fast-check',
    '@mambagrad/tensor/extend', 'mambagrad/extend', '@mambagrad/mamba/testing',
  ];
  const jobs = [
    ...specifiers.map((specifier) => ({ code: `import '${specifier}';` })),
    { code: '', exercise: 'scan' },
  ];
  /** What pages load for programs that import these, and for pictures. */
  const loaded = [
    ...jobs.map(({ code, ...others }) => partsOf({ blocks: [{ code, line: 0 }], ...others })),
    drawingParts,
  ];

  test('has no variable that is declared nowhere, as the compiler sees it', async () => {
    loaded.forEach((parts, i) => {
      const code = parts.map((part) => workerCode().get(part) ?? `missing${i}();`);
      const start = parts.includes('drawing') ? 'servePieces();' : 'start();';
      writeFileSync(join(folder, `scripts${i}.js`), [...code, start, 'export {};'].join('\n'));
    });
    writeFileSync(join(folder, 'browser.js'), text);
    const compilerOptions = {
      allowJs: true, checkJs: true, noEmit: true, strict: false, lib: ['es2023'], types: [],
      target: 'esnext', module: 'esnext',
    };
    const files = [...loaded.map((_, i) => `scripts${i}.js`), 'browser.js'];
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
    const { output } =
      await run(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { cwd: folder });
    const messages = 'Cannot find name|No value exists in scope for the shorthand property';
    const found = output.matchAll(new RegExp(`error TS\\d+: (?:${messages}) '(.*?)'`, 'g'));
    const free = [...new Set(Array.from(found, ([, name]) => name))];
    // Of Node and of browsers. What is not in the language the compiler does not know here.
    expect(free.filter((name) =>
      !(name in globalThis) && !['navigator', 'self', 'Worker'].includes(name),
    )).toEqual([]);
    expect(free).toContain('performance');
  });
});
