/** The tokenizer: nothing of a source is lost, and each token is what the language says it is. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Token, type TokenKind, tokensOf } from '../../scripts/bundle/tokens.ts';

const root = new URL('../../', import.meta.url);
const skipped = /(?:^|\/)(?:node_modules|dist|generated|golden)(?:\/|$)/;

/** Every TypeScript and JavaScript file of the repository. */
const sources = ['packages', 'examples', 'bench', 'scripts', 'test'].flatMap((folder) =>
  readdirSync(new URL(folder, root), { recursive: true })
    .map((file) => `${folder}/${String(file).replaceAll('\\', '/')}`)
    .filter((file) => /\.(?:ts|mjs|js)$/.test(file) && !skipped.test(file)),
);

const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

/** The tokens but for whitespace, as `kind text`. */
function shown(source: string): string[] {
  return tokensOf(source)
    .filter(({ kind }) => kind !== 'whitespace')
    .map(({ kind, text }) => `${kind} ${text}`);
}

function expectWhole(source: string, tokens: readonly Token[] = tokensOf(source)): void {
  expect(tokens.map(({ text }) => text).join('')).toBe(source);
  let end = 0;
  const misplaced = tokens.filter(({ start, text }) => {
    const isHere = start === end && text !== '';
    end += text.length;
    return !isHere;
  });
  expect(misplaced).toEqual([]);
}

test('every character of a text belongs to exactly one token', () => {
  const text = fc.string({ unit: fc.oneof(fc.constantFrom(...'`${}/\\\'"*([a 1\n'), fc.string()) });
  fc.assert(fc.property(text, (source) => expectWhole(source)), { numRuns: 500 });
});

/** Brackets that are not closed, or by another one, and regular expressions that do not compile. */
function mistakesIn(tokens: readonly Token[]): string[] {
  const closing: Record<string, string> = { '(': ')', '[': ']', '{': '}' };
  const open: string[] = [];
  const mistakes = tokens.filter(({ kind, text }) => {
    if (kind === 'template') {
      const isWrong = text.startsWith('}') && open.pop() !== '`';
      if (text.endsWith('${')) open.push('`');
      return isWrong;
    }
    if (kind === 'regExp') return !compiles(text);
    if (kind !== 'punctuator') return false;
    if (text in closing) open.push(closing[text]);
    return ')]}'.includes(text) && open.pop() !== text;
  });
  return [...mistakes.map(({ text, start }) => `${text} at ${start}`), ...open];
}

function compiles(regExp: string): boolean {
  const [, pattern, flags] = /^\/([^]*)\/(\w*)$/.exec(regExp) ?? [];
  try {
    return new RegExp(pattern, flags) instanceof RegExp;
  } catch {
    return false;
  }
}

test('all sources are whole, their brackets close each other, their regular expressions compile', () => {
  expect(sources.length).toBeGreaterThan(500);
  const found = sources.map((path) => {
    const source = read(path);
    const tokens = tokensOf(source);
    expectWhole(source, tokens);
    return [path, mistakesIn(tokens)] as const;
  });
  expect(found.filter(([, mistakes]) => mistakes.length > 0)).toEqual([]);
  expect(mistakesIn(tokensOf('f(`${a[`)'))).not.toEqual([]);
  expect(compiles('/(/')).toBe(false);
});

/** Tokens that may stand where an operand is expected, each with what comes before and after. */
const operands: readonly (readonly [kind: TokenKind, text: string])[] = [
  ['identifier', 'x'], ['identifier', 'Δ'], ['identifier', '$_1'], ['identifier', 'of'],
  ['keyword', 'this'], ['keyword', 'null'], ['number', '0x1F'], ['number', '1_000.5e-3'],
  ['number', '.5'], ['number', '12n'], ['string', "'it\\'s'"], ['string', '"// no comment"'],
  ['template', '`a/b\\`c`'], ['regExp', '/[/\\]]+\\/"\'`/gu'],
];
const operators = ['/', '*', '-', '%', '===', '!==', '??', '||=', '**', '=>', '<<', '>', ',', '.'];

/** An expression, and the tokens that it is made of. */
const expression = fc.letrec<{ node: string[]; leaf: string[] }>((tie) => ({
  leaf: fc.constantFrom(...operands).map(([kind, text]) => [`${kind} ${text}`]),
  node: fc.oneof(
    { depthSize: 'small' },
    tie('leaf'),
    fc.tuple(tie('node'), fc.constantFrom(...operators.slice(0, -1)), tie('node'))
      .map(([a, operator, b]) => [...a, `punctuator ${operator}`, ...b]),
    tie('node').map((node) => ['punctuator (', ...node, 'punctuator )']),
    tie('node').map((node) => ['punctuator [', ...node, 'punctuator ]']),
    tie('node').map((node) => ['template `${', ...node, 'template }`']),
    tie('node').map((node) => [
      'punctuator (', 'punctuator {', 'identifier key', 'punctuator :', ...node, 'punctuator }',
      'punctuator )',
    ]),
    tie('node').map((node) => ['keyword typeof', ...node]),
    tie('node').map((node) => ['comment /* / */', ...node]),
    tie('leaf').map((leaf) => [...leaf, 'punctuator .', 'identifier return']),
  ),
})).node;

test('expressions have the tokens that they are made of', () => {
  fc.assert(
    fc.property(expression, (tokens) => {
      const source = tokens.map((token) => token.slice(token.indexOf(' ') + 1)).join(' ');
      // Inside a template literal spaces belong to the template.
      expect(shown(source).map((token) => token.replaceAll(/\s+/g, ' '))).toEqual(tokens);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['a / b / c', ['identifier a', 'punctuator /', 'identifier b', 'punctuator /', 'identifier c']],
  ['f(x) / 2', 'punctuator /'],
  ['if (x) /a/.test(y)', 'regExp /a/'],
  ['while (x) /a/g.exec(y)', 'regExp /a/g'],
  ['return /a/', 'regExp /a/'],
  ['x = /[/]/u', 'regExp /[/]/u'],
  ['x++ / 2', 'punctuator /'],
  ['x! / 2', 'punctuator /'],
  ['!/a/.test(x)', 'regExp /a/'],
  ['{ f() } /a/.test(x)', 'regExp /a/'],
  ['x = { a } / 2', 'punctuator /'],
  ['`${a}` / 2', 'punctuator /'],
  ['`${{ a: `}${b}{` }}`', 'template }{`'],
  ['`$${a}$`', ['template `$${', 'identifier a', 'template }$`']],
  ['#!/usr/bin/env node\nf', ['comment #!/usr/bin/env node', 'identifier f']],
  ['a?.b', ['identifier a', 'punctuator ?.', 'identifier b']],
  ['a ?.5 : b', 'number .5'],
  ['this.#a', 'identifier #a'],
  ['List<List<f32>>', 'punctuator >'],
  ['type A = B', 'keyword type'],
  ['type = 1', 'identifier type'],
  ["import { a as type } from './a.ts'", ['keyword import', 'punctuator {', 'identifier a',
    'keyword as', 'identifier type', 'punctuator }', 'keyword from', "string './a.ts'"]],
  ['get(x)', 'identifier get'],
  ['for (const x of xs)', 'keyword of'],
  ["'open\nx", ["string 'open", 'identifier x']],
  ['`open ${', 'template `open ${'],
  ['/* open', 'comment /* open'],
])('%s', (source, tokens) => {
  if (typeof tokens === 'string') expect(shown(source)).toContain(tokens);
  else expect(shown(source)).toEqual(tokens);
});
