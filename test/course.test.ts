/** Every chapter of the course has its form, and the chapters are those that README.md lists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  abilitiesOf, type Chapter, countWords, exercisesOf, filesIn, MOST_WORDS, namesIn, numberOf,
  problemsOf, proseOf, sectionOf, titleOf, wideLinesOf,
} from './support/chapter.ts';
import { changesIn } from './support/recipes.ts';

const at = (path: string): URL => new URL(`../${path}`, import.meta.url);
const read = (path: string): Chapter => ({ path, text: readFileSync(at(path), 'utf8') });
const isThere = (path: string): boolean => existsSync(at(path));

const chapters = readdirSync(at('docs'))
  .filter((name) => /^\d\d-.*\.md$/.test(name)).sort().map((name) => read(`docs/${name}`));
/** What is read after the last chapter. */
const after = read('docs/exercises.md');

/** The chapters in which the pictures are explained. */
const picturesOf: Readonly<Record<number, readonly string[]>> = {
  1: ['expression-graph', 'reverse-sweep'],
  2: ['broadcasting', 'strided-view'],
  4: ['training-loss'],
  6: ['leaky-integrator'],
  7: ['scan-trees'],
  8: ['mamba-block'],
  9: ['remembered'],
  10: ['ssd-matrix'],
  13: ['scan-orders'],
  14: ['sampling'],
  15: ['passes'],
  16: ['loop-nests'],
  17: ['wasm-bytes'],
  18: ['fusion-groups'],
  19: ['arena'],
  20: ['matmul-tiles'],
  21: ['scan-memory'],
  22: ['ssd-chunk'],
  23: ['threads-timeline'],
  25: ['run-timeline'],
};

test('the chapters are numbered from 0, without a gap', () => {
  expect(chapters.map(numberOf)).toEqual(chapters.map((_, i) => i));
});

test('README.md lists them in order, with their titles', () => {
  const listed = read('README.md').text.matchAll(/^- \[(\d+\. .+)\]\((docs\/.+\.md)\): \S/gm);
  expect(Array.from(listed, ([, title, path]) => [path, title])).toEqual(
    chapters.map((chapter) => [chapter.path, titleOf(chapter).replaceAll('`', '')]),
  );
});

test.each(chapters.map((chapter, i) => [chapter.path, chapter, chapters[i + 1] ?? after] as const))(
  '%s has the form of a chapter', (_, chapter, next) => {
    expect(problemsOf(chapter, next, isThere)).toEqual([]);
  },
);

/** All words of the sources, and of the paths of files. */
const words = new Set(
  ['packages', 'scripts', 'examples', 'exercises', 'bench', 'test'].flatMap((folder) =>
    readdirSync(at(folder), { recursive: true })
      .map((file) => `${folder}/${String(file).replaceAll('\\', '/')}`))
    .filter((path) => !/node_modules|dist\b|generated/.test(path))
    .flatMap((path) => {
      const isSource = /^(?!test).*\.(?:ts|mjs|json|py)$/.test(path);
      return `${path} ${isSource ? readFileSync(at(path), 'utf8') : ''}`.match(/[\w$]+/g) ?? [];
    }),
);

test('every name in the prose of a chapter is in the sources', () => {
  const unknown = chapters.flatMap(({ path, text }) =>
    namesIn(text).filter((name) => !words.has(name)).map((name) => `${path}: ${name}`));
  expect(unknown).toEqual([]);
  expect(chapters.flatMap(({ text }) => namesIn(text)).length).toBeGreaterThan(300);
  expect(namesIn('Call `addd(x)`.\n```ts\nconst known = 1;\n```\n`known`')).toEqual(['addd']);
  expect(words.has('addd')).toBe(false);
});

test.each(Object.entries(picturesOf))('chapter %s shows its pictures', (number, names) => {
  const { text } = chapters[Number(number)];
  expect(names.filter((name) => !text.includes(`](pictures/${name}.svg)`))).toEqual([]);
});

test('the chapter of the recipe in CONTRIBUTING.md has the form, too', () => {
  const isChapter = ({ path }: { path: string }): boolean => /^docs\/\d\d-/.test(path);
  const changes = changesIn(read('CONTRIBUTING.md').text);
  const recipe = changes.filter((change) => isChapter(change) && !change.isDiff);
  expect(recipe.length).toBe(1);
  expect(recipe.flatMap((chapter) => problemsOf(chapter, after, isThere))).toEqual([]);
});

describe('of a chapter', () => {
  const exercise = (name: string): string => (
    `**${name}.** What?\n\n<details>\n<summary>Answer</summary>\n\nThis.\n\n</details>\n`
  );
  const text = [
    '# 7. A `scan`', 'It is short.', 'After this chapter you can:', '- read;\n- write\n  more.',
    '## Code', '```ts\n## In the source\n```', '## In the source', '`test/course.test.ts`',
    '## Exercises', ...['Predict', 'Break', 'Extend'].map(exercise),
    'Next: [8. Next](08-next.md).\n',
  ].join('\n\n');
  const chapter = { path: 'docs/07-scan.md', text };
  const next = { path: 'docs/08-next.md', text: '# 8. Next\n' };
  const problems = (changed: string): string[] =>
    problemsOf({ ...chapter, text: changed }, next, isThere).map((each) => each.slice(17));

  test('the parts are found', () => {
    expect([numberOf(chapter), titleOf(chapter)]).toEqual([7, '7. A `scan`']);
    expect(proseOf('a\n```ts\nb\n```\nc')).toBe('a\n…\nc');
    expect(countWords('Two words, − 3 → and\n```\nnot these\n```\n')).toBe(4);
    expect(sectionOf(text, 'In the source')).toContain('course.test.ts');
    expect(sectionOf(text, 'Nowhere')).toBe('');
    expect(abilitiesOf(text)).toEqual(['read;\n', 'write\n  more.']);
    expect(exercisesOf(text)).toEqual(['Predict', 'Break', 'Extend']);
    expect(filesIn('`test/a.ts`, `a.ts`, `docs` and\n```\n`test/b.ts`\n```\n')).toEqual(
      ['test/a.ts'],
    );
    const wide = 'wide '.repeat(20);
    expect(wideLinesOf(`${wide}\n\`\`\`ts\n${wide}\n  // → ${wide}\n\`\`\`\n`)).toEqual([wide]);
    expect(problems(text)).toEqual([]);
  });

  test.each([
    ['# 7.', '# 8.', "the title does not begin with '7. '"],
    ['It is short.', 'long '.repeat(MOST_WORDS), 'words of prose'],
    ['- read;\n', '', 'it lists 1 abilities'],
    ['`test/course.test.ts`', 'the test', "'In the source' names no file"],
    ['course.test.ts', 'none.ts', 'it names test/none.ts, which is not there'],
    ['## In the source\n```', `${'long '.repeat(20)}\n\`\`\``, 'over 95 columns: long long'],
    ['**Break.**', '**Guess.**', "the exercises are 'Predict, Guess, Extend'"],
    ['This.\n\n</details>', 'This.', "the exercises are 'Predict?, Break, Extend'"],
    ['08-next.md', '09-next.md', "the last line is 'Next: [8. Next](09-next.md).'"],
  ])("'%s' → '%s' is a problem", (from, to, problem) => {
    expect(problems(text.replace(from, to))).toEqual([expect.stringContaining(problem)]);
  });
});
