/** The glossary: each term is explained in one sentence, and where its link leads it is used. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Anchors } from '../scripts/api/markdown.ts';

const docs = new URL('../docs/', import.meta.url);
const textOf = (page: string): string => readFileSync(new URL(page, docs), 'utf8');

/** An entry: `- **term**: a sentence. [Heading](page.md#anchor)`. */
const pattern = /^- \*\*(.+?)\*\*: (.+) \[([^\]]+)\]\(([\w-]+\.md)#([^)]+)\)$/;
const lines = textOf('glossary.md').split('\n').filter((line) => line.startsWith('- '));
const entries = lines.map((line) => {
  const [, term = line, sentence = '', title = '', page = '', anchor = ''] = pattern.exec(line) ?? [];
  return { term, sentence, title, page, anchor };
});

interface Section {
  readonly title: string;
  readonly text: string;
}

const known = new Map<string, Map<string, Section>>();

/** The sections of a page, which is read once. */
function sectionsOf(page: string): Map<string, Section> {
  const sections = known.get(page) ?? readSections(page);
  known.set(page, sections);
  return sections;
}

/** The sections of a page by their anchors: the heading, and all below it but equal ones. */
function readSections(page: string): Map<string, Section> {
  const parts: string[] = [];
  let isCode = false;
  for (const line of textOf(page).split('\n')) {
    if (line.startsWith('```')) isCode = !isCode;
    // A line of code that begins with # is no heading.
    if (!isCode && /^#+ /.test(line)) parts.push('');
    if (parts.length > 0) parts[parts.length - 1] += `${line}\n`;
  }
  const anchors = new Anchors();
  const levelOf = (part: string): number => /^#+/.exec(part)?.[0].length ?? 0;
  return new Map(parts.map((part, i) => {
    const title = /^#+ (.+)/.exec(part)?.[1] ?? '';
    const rest = parts.slice(i + 1);
    const end = rest.findIndex((other) => levelOf(other) <= levelOf(part));
    // The first heading of a page is that of its introduction.
    const below = levelOf(part) === 1 ? [] : rest.slice(0, end < 0 ? undefined : end);
    return [anchors.next(title), { title, text: [part, ...below].join('') }];
  }));
}

it('has entries in alphabetical order, each once', () => {
  const terms = entries.map(({ term }) => term.toLowerCase());
  expect(terms.length).toBeGreaterThan(90);
  expect([...new Set(terms)].sort((a, b) => (a < b ? -1 : 1))).toEqual(terms);
});

it('explains each in one sentence', () => {
  const isSentence = (text: string): boolean => /[.…]$/.test(text) && !/[.?!] [A-Z]/.test(text);
  expect(entries.filter(({ sentence }) => !isSentence(sentence)).map(({ term }) => term)).toEqual([]);
});

it('leads to sections that are there, and use the term', () => {
  const problems = entries.flatMap(({ term, title, page, anchor }) => {
    const section = existsSync(new URL(page, docs)) ? sectionsOf(page).get(anchor) : undefined;
    if (section === undefined) return [`${term}: there is no ${page}#${anchor}`];
    const heading = section.title.replaceAll('`', '').replace(/^\d+\. /, '');
    if (heading !== title) return [`${term}: the heading is '${heading}', not '${title}'`];
    const stems = term.toLowerCase().split(/[\s-]/).map((word) => word.replace(/(?:ing|e?s|e)$/, ''));
    const text = section.text.toLowerCase();
    const isUsed = stems.every((stem) => text.includes(stem));
    return isUsed ? [] : [`${term}: it is not in ${page}#${anchor}`];
  });
  expect(problems).toEqual([]);
});
