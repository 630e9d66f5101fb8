/** The tools of the tests, held to the mistakes that they are there to find. */
import { ones, type Tensor } from '@mambagrad/tensor';
import { describe, expect, test } from 'vitest';
import { twins } from './compiled.ts';
import { compilePage } from '../../scripts/publish/src/pageModule.ts';
import { opCases, optimizerRuns, selectiveScanCases } from './golden.ts';
import { parseSafetensors } from './safetensors.ts';
import { codeLines, importsOf, withoutComments } from './source.ts';

describe('safetensors', () => {
  const f32 = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };

  test('reads every type, at any alignment', () => {
    const data = new Uint8Array([
      ...new Uint8Array(Float32Array.of(1.5, -2).buffer),
      ...new Uint8Array(Int32Array.of(7).buffer),
      ...new Uint8Array(Float64Array.of(0.1).buffer),
      ...new Uint8Array(BigInt64Array.of(-(2n ** 31n)).buffer),
    ]);
    const tensors = parseSafetensors(
      encode(data, {
        __metadata__: { format: 'pt' },
        a: f32,
        b: { dtype: 'I32', shape: [], data_offsets: [8, 12] },
        c: { dtype: 'F64', shape: [1, 1], data_offsets: [12, 20] },
        d: { dtype: 'I64', shape: [1], data_offsets: [20, 28] },
      }),
    );
    expect([...tensors.keys()]).toEqual(['a', 'b', 'c', 'd']);
    expect(tensors.get('a')).toEqual({ dtype: 'F32', shape: [2], data: Float32Array.of(1.5, -2) });
    expect(tensors.get('b')).toEqual({ dtype: 'I32', shape: [], data: Int32Array.of(7) });
    expect(tensors.get('c')).toEqual({ dtype: 'F64', shape: [1, 1], data: Float64Array.of(0.1) });
    expect(tensors.get('d')?.data).toEqual(Int32Array.of(-(2 ** 31)));
  });

  test.each([
    ['an integer of more than 32 bits', { x: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }],
    ['an unknown type', { x: { dtype: 'F16', shape: [4], data_offsets: [0, 8] } }],
    ['another size than the shape', { x: { ...f32, shape: [3] } }],
    ['a fraction as a size', { x: { ...f32, shape: [0.5] } }],
    ['a gap', { x: { ...f32, shape: [1], data_offsets: [4, 8] } }],
    ['an overlap', { x: f32, y: { ...f32, shape: [1], data_offsets: [4, 8] } }],
    ['bytes left over', { x: { ...f32, shape: [1], data_offsets: [0, 4] } }],
    ['too few bytes', { x: { ...f32, shape: [4], data_offsets: [0, 16] } }],
  ])('refuses %s', (_, header) => {
    const data = new Uint8Array(BigInt64Array.of(2n ** 31n).buffer);
    expect(() => parseSafetensors(encode(data, header))).toThrow(/^safetensors: /);
  });

  function encode(data: Uint8Array, header: object): Uint8Array {
    const text = new TextEncoder().encode(JSON.stringify(header));
    const length = new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer);
    return Uint8Array.of(...length, ...text, ...data);
  }
});

test('all golden cases can be read', () => {
  const ops = opCases();
  expect(ops).toHaveLength(158);
  expect(opCases('where')).toEqual(ops.filter(({ op }) => op === 'where'));
  for (const { out, cotangent, inputs, gradients } of ops) {
    expect(cotangent.shape).toEqual(out.shape);
    expect(gradients).toHaveLength(inputs.length);
    gradients.forEach((gradient, k) => {
      if (gradient !== undefined) expect(gradient.shape).toEqual(inputs[k].shape);
    });
  }
  const scans = selectiveScanCases();
  expect(scans).toHaveLength(7);
  for (const { inputs, gradients } of scans) {
    expect(Object.keys(gradients)).toEqual(Object.keys(inputs));
  }
  expect(scans[5].inputs.initialState?.shape).toEqual([2, 6, 16]);
  const runs = optimizerRuns();
  expect(runs.map(({ optimizer }) => optimizer)).toEqual(['sgd', 'sgd', 'sgd', 'adam', 'adamw']);
  for (const { parameters, gradients, norms, clipNorm } of runs) {
    expect([parameters.length, gradients.length]).toEqual([13, 12]);
    expect(parameters[0]).toHaveLength(2);
    expect(norms).toHaveLength(clipNorm === null ? 0 : 12);
  }
});

describe('sources', () => {
  test('lose their comments and nothing else', () => {
    const lines = [
      "const a = 'http://x'; // b",
      'const c = `/* ${a} */`; /* d',
      ' e */ const f = a / b / c;',
      String.raw`const g = /[/'"]\/\//.test(a); // '`,
    ];
    expect(withoutComments(lines.join('\n')).split('\n')).toEqual([
      "const a = 'http://x'; ",
      'const c = `/* ${a} */`; ',
      ' const f = a / b / c;',
      String.raw`const g = /[/'"]\/\//.test(a); `,
    ]);
    expect(codeLines('/**\n * a\n */\n\nconst b = 1; // c\n  // d\n')).toBe(1);
  });

  test('show what they import', () => {
    const text = `
      import { a, type B } from './a.ts';
      import type {
        C,
      } from './c.ts';
      import './d.ts'; import * as e from './e.ts';
      export * from './f.ts';
      export { type G } from './g.ts';
      // import './comment.ts';
      declare module './module.ts' {
        interface H extends I {}
      }
      export const from = 'x';
      type J = import('./j.ts').J;
      const k = await import('./k.ts');
    `;
    const names = ['a', 'c', 'd', 'e', 'f', 'g', 'j', 'k'];
    expect(importsOf(text)).toEqual(names.map((name) => `./${name}.ts`));
  });
});

describe('pages', () => {
  const page = (...blocks: string[][]) =>
    blocks.map((lines) => ['```ts', ...lines, '```'].join('\n')).join('\n\n');
  const compile = (text: string, name = 'docs/x.md') => compilePage(name, text, '../docs.ts');

  test('keep each line where it is, and import a name once', () => {
    const module = compile(
      page(
        ["import { type A, b } from 'm';", 'b();'],
        ['import {', '  A, b as c,', "} from 'm';", "import d, * as e from 'n';", '', 'c(d);'],
      ),
    );
    const lines = module?.code.split('\n') ?? [];
    expect(lines[2]).toBe('b();');
    expect(lines[11]).toBe('c(d);');
    expect(lines[0].match(/import .*?;/g)?.slice(1)).toEqual([
      "import { A as A } from 'm';",
      "import { b as b } from 'm';",
      "import { b as c } from 'm';",
      "import { default as d } from 'n';",
      "import * as e from 'n';",
    ]);
  });

  test('run the code of folded answers, too', () => {
    const module = compile(
      '# T\n\n<details>\n<summary>Answer</summary>\n\n```ts\nconsole.log(1); ' +
      '// → 1\n```\n\n</details>\n',
    );
    expect(module?.code.split('\n')[6]).toBe('__page.print(7, 1); // → 1');
    expect([...module?.expected ?? []]).toEqual([[7, '1']]);
  });

  test('say what each console.log prints', () => {
    const module = compile(
      page(
        ['console.log(1); // → 1', 'console.log(2);', 'for (const x of y) {', 'console.log(x);'],
        ['console.log(', '  3,', ');', '// → 3', '//    4', '//', '// A comment.'],
      ),
    );
    expect([...(module?.expected ?? [])]).toEqual([
      [2, '1'],
      [9, '3\n 4\n'],
    ]);
  });

  test('are refused where something would not run', () => {
    expect(() => compile('\n```js\n```')).toThrow(/^docs\/x\.md:2: /);
    expect(() => compile('```ts sketch\n```')).toThrow(/^docs\/x\.md:1: /);
    expect(compile('```ts sketch\n```', 'docs/design.md')).toBeUndefined();
    expect(() => compile('```ts\n')).toThrow('the block has no end');
    expect(() => compile(page(['// → 1']))).toThrow('an arrow without a console.log');
    expect(() => compile(page(["import { a } from 'm';"], ["import { a } from 'n';"]))).toThrow(
      "docs/x.md:6: a has been imported from 'm' already",
    );
  });
});

describe('twins', () => {
  test('are traced once for each program, at a call that all of them take part in', () => {
    let traces = 0;
    const compiled = twins((x: Tensor) => ((traces += 1), [x.exp().sum()]));
    for (const [size, expected] of [[3, 1], [3, 1], [5, 2]]) {
      compiled(ones([size]));
      expect(traces).toBe(expected);
    }
  });

  test('are not mixed up with what is compiled beside them', () => {
    const [double, triple] = [2, 3].map((n) => twins((x: Tensor) => [x.mul(n)]));
    expect(double(ones([2]))[0]?.data).toEqual(Float32Array.of(2, 2));
    expect(triple(ones([2]))[0]?.data).toEqual(Float32Array.of(3, 3));
  });
});
