/**
 * The pages of the site, in the order in which they are read. That order is written once, in
 * README.md: its lists of chapters are the parts of the site, and docs/api/README.md lists the
 * packages. A page that no list names would not be found by anybody, so that is an error.
 */
import { readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { readText, root } from './files.ts';

/** A page that is made of a Markdown file. */
export interface Page {
  /** Its file: `docs/25-training.md`. */
  readonly source: string;
  /** Its address on the site: `25-training.html`. */
  readonly address: string;
  /** Its heading. */
  readonly title: string;
  readonly text: string;
}

/** Pages that belong together. */
export interface Part {
  /** Empty for the first page. */
  readonly title: string;
  readonly pages: readonly Page[];
}

/** The page of an exercise. */
export interface ExercisePage extends Page {
  readonly name: string;
  /** The chapter that it follows, as a link of docs/exercises.md. */
  readonly after: string;
}

/** The exercises, in the order of their list in docs/exercises.md. */
export function exerciseOrder(): ExercisePage[] {
  const rows = readText('docs/exercises.md')
    .matchAll(/^\| \[`(\w+)`\]\(\.\.\/exercises\/\w+\.ts\) \|[^|]*\| ([^|]*) \|/gm);
  return Array.from(rows, ([, name, after]) => {
    const source = `exercises/${name}.ts`;
    const text = readText(source);
    const [, title = name] = /^\/\*\*\n \* (.+)$/m.exec(text) ?? [];
    return { name, after, source, address: `exercises/${name}.html`, title, text };
  });
}

/** The site's parts. */
export function readOutline(): Part[] {
  const readme = readText('README.md');
  const listed = (heading: string): string[] => linksBelow('README.md', readme, heading);
  const parts = [
    { title: '', sources: ['README.md'] },
    { title: 'To use', sources: listed('To use') },
    ...courseParts(readme).map((title) => ({ title, sources: listed(title) })),
    { title: 'The project', sources: ['docs/design.md', 'CONTRIBUTING.md', 'CHANGELOG.md'] },
    { title: 'API reference', sources: apiPages() },
  ];
  const found = new Set(parts.flatMap(({ sources }) => sources));
  const missing = markdownIn('docs').find((source) => !found.has(source));
  if (missing !== undefined) {
    throw new Error(
      `README.md: ${missing} is in no list: add it below "To use", or to a part of "To read"`,
    );
  }
  return parts.map(({ title, sources }) => ({ title, pages: sources.map(readPage) }));
}

/** The parts of the course: the headings below "To read". */
function courseParts(readme: string): string[] {
  const [, below = ''] = readme.split(/^## To read$/m);
  const [section = ''] = below.split(/^## /m);
  return Array.from(section.matchAll(/^### (.+)$/gm), ([, title = '']) => title);
}

function apiPages(): string[] {
  const index = 'docs/api/README.md';
  return [index, ...linksBelow(index, readText(index), 'API reference')];
}

function markdownIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true })
    .map((file) => join(folder, String(file).replaceAll('\\', '/')))
    .filter((file) => file.endsWith('.md'));
}

/** The pages that a list below a heading links to, each by the first link of its item. */
function linksBelow(source: string, text: string, heading: string): string[] {
  const [, below] = text.split(new RegExp(`^#+ ${heading}$`, 'm'));
  const [section = ''] = below?.split(/^#/m) ?? [];
  const items = section.matchAll(/^(?:-|\d+\.) \[[^\]]*\]\(([^)#]+\.md)\)/gm);
  const sources = Array.from(items, ([, target]) => normalize(join(dirname(source), target)));
  if (sources.length === 0) throw new Error(`${source}: no list of pages below "${heading}"`);
  return sources;
}

function readPage(source: string): Page {
  const text = readText(source);
  const [, title = source] = /^# (.+)$/m.exec(text) ?? [];
  return { source, address: addressOf(source), title: title.replaceAll('`', ''), text };
}

/** Where the page of a Markdown file stands on the site. */
function addressOf(source: string): string {
  if (source === 'README.md') return 'index.html';
  const name = source.replace(/^docs\//, '').replace(/\bREADME\.md$/, 'index.md');
  return name.toLowerCase().replace(/\.md$/, '.html');
}
