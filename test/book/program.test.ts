/** Programs of pages: nothing but types is erased, and lines stay where they were. */
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { compileAll, eraseTypes } from '../../scripts/book/src/erase.ts';
import { renderMarkdown } from '../../scripts/book/src/markdown.ts';
import { programsOf } from '../../scripts/book/src/program.ts';
import { root } from '../../scripts/bundle/packages.ts';
import { tokensOf } from '../../scripts/bundle/tokens.ts';
import { compilePage, runnableBlocks } from '../../scripts/publish/src/pageModule.ts';

const names = ['README.md', ...readdirSync(`${root}docs`).map((name) => `docs/${name}`)]
  .filter((name) => name.endsWith('.md'));
const pages = new Map(names.map((name) => [name, readFileSync(`${root}${name}`, 'utf8')]));

/** All tokens that mean something, as the compiler may write them. */
function tokensIn(code: string): string[] {
  return tokensOf(code)
    .filter(({ kind }) => kind !== 'whitespace' && kind !== 'comment')
    .map(({ text }) => text);
}

describe('every page', () => {
  const sources = [...pages].flatMap(([name, text]) =>
    runnableBlocks(name, text).map(({ code }) => code.join('\n')));
  const programs = programsOf(pages);
  const blocks = [...programs.values()].flatMap((program) => program.blocks);
  const codes = blocks.map(({ code }) => code);
  const compiled = compileAll(sources);

  test('has a program of all of its blocks', () => {
    expect(blocks.length).toBeGreaterThan(200);
    expect(blocks).toHaveLength(sources.length);
    expect([...programs.keys()]).toContain('README.md');
    expect([...programs.keys()]).not.toContain('docs/design.md');
  });

  test('shows as many blocks that run as its program has', () => {
    const links = { to: (target: string) => target, ofCode: () => undefined };
    const folded = '# T\n\n```ts\n1;\n```\n\n<details>\n<summary>A</summary>\n\n' +
      '```ts\n2;\n```\n\n</details>\n\n```ts\n3;\n```\n';
    const all = new Map([...pages, ['docs/folded.md', folded]]);
    for (const [name, program] of programsOf(all)) {
      const { body } = renderMarkdown(name, all.get(name) ?? '', { links, isRunnable: true });
      const numbers = Array.from(
        body.text.matchAll(/<figure class="code" data-block="(\d+)">/g), ([, i]) => Number(i),
      );
      expect(numbers, name).toEqual(program.blocks.map((_, i) => i));
    }
  });

  test('is the code that the compiler makes of it, token by token', () => {
    codes.forEach((code, i) => expect(tokensIn(code)).toEqual(tokensIn(compiled[i].code)));
    const again = compileAll(codes);
    expect(again.map(({ code }) => code)).toEqual(compiled.map(({ code }) => code));
  });

  test('keeps its lines', () => {
    codes.forEach((code, i) => {
      const [lines, own] = [code.split('\n'), sources[i].split('\n')];
      expect(lines).toHaveLength(own.length);
      // What is left of a line is part of that line.
      lines.forEach((line, j) => {
        const rest = [...line.replaceAll(/\s/g, '')].reduce((text, character) => {
          const at = text.indexOf(character);
          return at < 0 ? '\0' : text.slice(at + 1);
        }, own[j]);
        expect(rest, line).not.toContain('\0');
      });
    });
  });

  test('expects what its module expects', () => {
    for (const [name, program] of programs) {
      const expected = program.blocks.flatMap(({ line, expected: texts }) =>
        texts.map((each) => [line + each.line, each.text] as const));
      const module = compilePage(name, pages.get(name) ?? '', './x.ts');
      expect(new Map(expected)).toEqual(module?.expected);
      for (const { code, expected: texts } of program.blocks) {
        for (const { line } of texts) expect(code.split('\n')[line - 1]).toContain('console.log(');
      }
    }
  });
});

describe('types', () => {
  const erase = (source: string) => eraseTypes(source, compileAll([source])[0]);

  const cases = [
    ['const f = (x: number, y?: Map<A, B>): x is 1 => g<T>(x!, y as const);',
      'const f = (x, y) => g(x, y);'],
    [
      "import { a, type B } from 'x';\nimport type { C } from 'y';\na();",
      "import { a } from 'x';\n\na();",
    ],
    ['class A<T> extends B<T> implements C {\n  private readonly x: T = 1;\n  declare y: T;\n}',
      'class A extends B {\n  x = 1;\n\n}'],
    ['/** Gone. */\ninterface A {\n  /** Gone. */\n  readonly a: string; ' +
      '// gone\n}\n// kept\na(); // kept',
      '\n\n\n\n\n// kept\na(); // kept'],
    [
      'const x = `a ${b as string} c` satisfies D; // → 1\n//   2',
      'const x = `a ${b} c`; // → 1\n//   2',
    ],
    ['type A = {\n  b: 1;\n};\nlet c: A | undefined;', '\n\n\nlet c;'],
  ];
  // All at once, as each run of the compiler takes its time to start.
  beforeAll(() => void compileAll(cases.map(([source]) => source)));

  test.each(cases)('are erased from %j', (source, erased) => {
    expect(erase(source)).toBe(erased);
  });

  test('leave strings, templates and comments alone', () => {
    const source = "const x = ': number'; // : number\nconst y = `: ${': T'}`;\n";
    expect(erase(source)).toBe(source);
  });

  test('that cannot be read are errors', () => {
    expect(() => compileAll(['const = 1;'])).toThrow(
      /types cannot be erased:\n0\.ts\(1,7\): error/,
    );
    expect(() => eraseTypes('a();', { code: 'b();', places: new Map() })).toThrow(
      'the compiler has added `b`',
    );
  });
});
