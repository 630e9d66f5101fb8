/** Writes the pages of the reference as Markdown. */
import { nameOf } from './declarations.ts';
import { type AsMethod, type LinkTo, renderEntry } from './entry.ts';
import { type Entry, headerIn, keyOf, layOut, type Page, type Section } from './layout.ts';
import { compare, groupBy } from './lists.ts';
import { capitalised, cell, codeBlock, indented, prose } from './markdown.ts';
import { declarationsOf } from './members.ts';
import { entryPoints, type Place } from './packages.ts';

/** The pages of docs/api, by file name. */
export function apiPages(): Map<string, string> {
  const pages = layOut(entryPoints());
  const targets = new Map<string, { path: string; anchor: string }>();
  for (const { path, sections } of pages) {
    for (const entry of entriesOf(sections)) {
      targets.set(keyOf(entry.place), { path, anchor: entry.anchor });
    }
  }
  const linkFrom = (from: string): LinkTo => (place) => {
    const target = targets.get(keyOf(place));
    if (target === undefined) return undefined;
    return `${target.path === from ? '' : target.path}#${target.anchor}`;
  };
  return new Map([
    ['README.md', indexPage(pages, linkFrom('README.md'))],
    ...pages.map((page) => [page.path, renderPage(page, linkFrom(page.path))] as const),
  ]);
}

function entriesOf(sections: readonly Section[]): Entry[] {
  return sections.flatMap(({ files }) => files.flatMap(({ entries }) => entries));
}

const notice = '<!-- Written by `npm run api` from the docstrings of the sources. Edit those. -->';

/** The page that leads to all others, with every name that the packages export. */
function indexPage(pages: readonly Page[], linkTo: LinkTo): string {
  const names = pages.flatMap(({ entryPoint, sections }) =>
    entriesOf(sections).flatMap(({ name, aliases, place }) =>
      [name, ...aliases].map((each) => ({ name: each, link: linkTo(place), entryPoint })),
    ),
  );
  names.sort(({ name: a }, { name: b }) =>
    compare(a.toLowerCase(), b.toLowerCase()) || compare(a, b),
  );
  const byLetter = groupBy(names, ({ name }) => name[0].toUpperCase());
  const counts = groupBy(names, ({ name }) => name);
  return joined([
    notice,
    '# API reference',
    'Every name that the packages export, with its signature and docstring. The packages build\n' +
      'on each other in this order.',
    pages.map((page) => `- ${pageLink(page)}: ${summaryOf(page)}`).join('\n'),
    '## Every name',
    ...[...byLetter.values()].map((group) =>
      group.map(({ name, link, entryPoint }) => {
        const isTold = (counts.get(name) ?? []).length > 1;
        const where = isTold ? ` (${entryPoint.specifier.replace('@mambagrad/', '')})` : '';
        return `[${name}](${link})${where}`;
      }).join(' · '),
    ),
  ]);
}

function pageLink({ entryPoint, path }: Page): string {
  return `[${entryPoint.specifier}](${path})`;
}

const firstSentence = /^([^]*?)[.:]?(?=\n\n|\.\s|\.?$)/;

/** A package by its description; a part of one by the header of its file. */
function summaryOf({ entryPoint: { file: { source }, description } }: Page): string {
  if (source.endsWith('/index.ts')) return capitalised(description);
  const [, sentence = ''] = firstSentence.exec(headerIn(source)) ?? [];
  return cell(prose(sentence));
}

function renderPage(page: Page, linkTo: LinkTo): string {
  const { entryPoint, sections, passedOn } = page;
  const { specifier } = entryPoint;
  return joined([
    notice,
    `# ${specifier}`,
    introOf(page),
    codeBlock(`import { … } from '${specifier}';`),
    '[All packages](README.md)',
    // A package that only passes on what others export says so in its header.
    ...(sections.length === 0
      ? [] : ['## Contents', contentsOf(sections), passedOnList(passedOn, linkTo)]),
    ...sections.flatMap((section) => renderSection(section, sections, linkTo)),
  ]);
}

/** What a package is; or the header of the file that a part of one is, unless it stands below. */
function introOf({ entryPoint, sections }: Page): string {
  const { source } = entryPoint.file;
  if (sections.length === 0) return prose(headerIn(source));
  if (source.endsWith('/index.ts')) return capitalised(`${entryPoint.description}.`);
  const isBelow = sections.some(({ files }) => files.some((file) => file.source === source));
  return isBelow ? '' : prose(headerIn(source));
}

function joined(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** The headings of a page, as nested lists. */
function contentsOf(sections: readonly Section[]): string {
  return sections.map(({ heading, anchor, files }) => {
    const lines = files.map((part) => {
      const names = part.entries.map(({ name, anchor: at }) => `[\`${name}\`](#${at})`);
      return `- [${part.heading}](#${part.anchor}): ${names.join(', ')}`;
    });
    return [`- [${heading}](#${anchor})`, indented(lines.join('\n'))].join('\n');
  }).join('\n');
}

function passedOnList(passedOn: ReadonlyMap<string, Place>, linkTo: LinkTo): string {
  const links = [...passedOn].flatMap(([name, place]) => {
    const link = linkTo(place);
    return link === undefined ? [] : [`[\`${name}\`](${link})`];
  });
  if (links.length === 0) return '';
  return `Described on other pages, and exported here too: ${links.sort().join(', ')}.`;
}

function renderSection(section: Section, all: readonly Section[], linkTo: LinkTo): string[] {
  return [
    `## ${section.heading}`,
    section.intro,
    ...section.files.flatMap((part) => [
      `### ${part.heading}`,
      `Source: [${part.source}](../../${part.source})`,
      prose(part.header),
      ...part.entries.flatMap((entry) => [
        `#### ${entry.name}`,
        ...renderEntry(entry.name, entry.place, linkTo, asMethod(entry)),
        alsoCalled(entry),
        entry.name === 'Tensor' ? opsAsMethods(all) : '',
      ]),
    ]),
  ];
}

function alsoCalled({ aliases }: Entry): string {
  const names = aliases.map((name) => `\`${name}\``).join(', ');
  return names === '' ? '' : `Also exported as ${names}.`;
}

const ops = 'packages/tensor/src/ops/';

/** How an op is called as a method; undefined if it is no op that tensors have as one. */
function asMethod({ name, place }: Entry): AsMethod | undefined {
  const { source } = place.file;
  const { kind } = nameOf(declarationsOf(place)[0]) ?? {};
  const isFunction = kind === 'function' || kind === 'const';
  if (source.endsWith('/autograd.ts') && name === 'backward') return { receiver: 'x', first: '' };
  if (!source.startsWith(ops) || !isFunction) return undefined;
  if (source === `${ops}join.ts`) return { receiver: 'a', first: 'others: readonly Tensor[]' };
  return isOp(source) ? { receiver: 'x', first: '' } : undefined;
}

/** Whether a file's functions are ops of the table. */
function isOp(source: string): boolean {
  return !['associativeScan.ts', 'define.ts', 'einsum.ts', 'methods.ts', 'random.ts']
    .includes(source.slice(ops.length));
}

/** Links to all ops, below the class that has them as methods. */
function opsAsMethods(sections: readonly Section[]): string {
  const entries = entriesOf(sections).filter((entry) => asMethod(entry) !== undefined);
  const links = entries.map(({ name, anchor }) => `[\`${name}\`](#${anchor})`);
  return `Every op is a method, too: ${links.join(', ')}.`;
}
