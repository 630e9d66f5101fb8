/**
 * Whoever reads the pages meets everything: each export of nn is named in the code of some page.
 */
import * as nn from '@mambagrad/nn';
import * as browser from '@mambagrad/nn/browser';
import * as node from '@mambagrad/nn/node';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const docs = new URL('../docs/', import.meta.url);

/** The code of a page: its blocks, and what stands between backquotes. */
function codeOf(text: string): string {
  const blocks = [...text.matchAll(/^```.*\n([^]*?)^```/gm)].map(([, code]) => code);
  const prose = text.replaceAll(/^```[^]*?^```/gm, '');
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code);
  return [...blocks, ...spans].join('\n');
}

/** The words in the code of all pages but the API reference. */
const named = new Set(
  readdirSync(docs)
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) => codeOf(readFileSync(new URL(name, docs), 'utf8')).match(/[\w$]+/g) ?? []),
);

test('code is what is in blocks and between backquotes', () => {
  expect(codeOf('Say `a` twice.\n```ts\nb();\n```\nOr `c(d)`.\n')).toBe('b();\n\na\nc(d)');
});

test.each([
  ['nn', nn], ['nn/node', node], ['nn/browser', browser],
])('every export of %s is named in a page', (_, exports) => {
  const names = Object.keys(exports);
  expect(names.length).toBeGreaterThan(3);
  expect(names.filter((name) => !named.has(name))).toEqual([]);
});
