/**
 * The glossary: each term is explained in one sentence, and its link leads to a section that has
 * it in bold. In the chapters, read in order, it is in bold before its second use.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Anchors } from '../scripts/api/markdown.ts';
import { introductionOf, readingOf } from './support/terms.ts';

const docs = new URL('../docs/', import.meta.url);
const textOf = (page: string): string => readFileSync(new URL(page, docs), 'utf8');

/** An entry: `- **term**: a sentence. [Heading](page.md#anchor)`. */
const pattern = /^- \*\*(.+?)\*\*: (.+) \[([^\]]+)\]\(([\w-]+\.md)#([^)]+)\)$/;
const lines = textOf('glossary.md').split('\n').filter((line) => line.startsWith('- '));
const entries = lines.map((line) => {
  const [, term = line, sentence = '', title = '', page = '', anchor = ''] = pattern.exec(line) ??
    [];
  return { term, sentence, title, page, anchor };
});

const terms = entries.map(({ term }) => term);

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
  const inSmall = terms.map((term) => term.toLowerCase());
  expect(inSmall.length).toBeGreaterThan(200);
  expect([...new Set(inSmall)].sort((a, b) => (a < b ? -1 : 1))).toEqual(inSmall);
});

it('explains each in one sentence', () => {
  const isSentence = (text: string): boolean => /[.…]$/.test(text) && !/[.?!] [A-Z]/.test(text);
  expect(entries.filter(({ sentence }) => !isSentence(sentence)).map(({ term }) => term)).toEqual(
    [],
  );
});

it('leads to sections that are there, and have the term in bold', () => {
  const problems = entries.flatMap(({ term, title, page, anchor }) => {
    const section = existsSync(new URL(page, docs)) ? sectionsOf(page).get(anchor) : undefined;
    if (section === undefined) return [`${term}: there is no ${page}#${anchor}`];
    const heading = section.title.replaceAll('`', '').replace(/^\d+\. /, '');
    if (heading !== title) return [`${term}: the heading is '${heading}', not '${title}'`];
    const isBold = introductionOf(term, [readingOf(section.text)], terms).page === 0;
    return isBold ? [] : [`${term}: it is not in bold in ${page}#${anchor}`];
  });
  expect(problems).toEqual([]);
});

describe('the course explains each term before its second use', () => {
  /** Terms that are also words with another sense, in which earlier chapters use them. */
  const otherSenses: Readonly<Record<string, string>> = {
    'bucket': 'a bucket of water is the picture of a state',
    'in place': 'results are put back in place',
    'module': 'a program of WebAssembly is a module',
    'node': 'Node is where the code runs',
    'pass': 'a pass over data; a value is passed on',
    'sample': 'a signal consists of samples',
    'stage': 'a compiler has stages',
    'tail': 'a distribution has a tail',
    'work': 'threads and people work',
  };
  const isChapter = (page: string): boolean => /^\d\d-.*\.md$/.test(page);
  const names = readdirSync(docs).filter(isChapter).sort();
  const chapters = names.map((name) => readingOf(textOf(name)));

  it('in bold, if a chapter explains it', () => {
    const inOrder = entries.filter(({ page, term }) => isChapter(page) && !(term in otherSenses));
    expect(inOrder.length).toBeGreaterThan(200);
    const problems = inOrder.flatMap(({ term }) => {
      const { page, before } = introductionOf(term, chapters, terms);
      if (page < 0) return [`${term} is in bold nowhere`];
      if (before.length <= 1) return [];
      return [`${term}, in bold in ${names[page]}, was used before: ${before.join()}`];
    });
    expect(problems).toEqual([]);
  });

  it('but for words that are used in another sense before', () => {
    const isNeeded = (term: string): boolean =>
      terms.includes(term) && introductionOf(term, chapters, terms).before.length > 1;
    expect(Object.keys(otherSenses).filter((term) => !isNeeded(term))).toEqual([]);
  });

  const page = (text: string): string => readingOf(`# Title\n\n${text}\n`);
  it.each([
    ['An axis. Two **axes**.', 0, 1],
    ['An axis, an axis.', -1, 2],
    ['`axis`, ![an axis](axis.svg), [it](axis.md).\n\n    axis = 1\n\nThe **axis**.', 0, 0],
    ['## An axis\n\n```ts\naxis;\n```\n\nThe **axis**.\n\nNext: [An axis](axis.md)', 0, 0],
    ['It.\n\nAfter this chapter you can:\n\n- name\n  an axis.\n\nThe **axis**.', 0, 0],
    ['The axis label, a taxis. An **axis label**, an\naxis-label. An **axis**.', 0, 0],
    ['A **bold** axis.', -1, 1],
  ])("'%s' explains 'axis' on page %i, after %i uses", (text, at, uses) => {
    const found = introductionOf('axis', [page(text)], ['axis', 'axis label']);
    expect([found.page, found.before.length]).toEqual([at, uses]);
  });

  it('counts the uses on earlier pages', () => {
    const pages = ['No use.', 'It donates.', 'To **donate**.'].map(page);
    expect(introductionOf('donate', pages, ['donate'])).toEqual({
      page: 2, before: ['1: …it donates.…'],
    });
  });
});
