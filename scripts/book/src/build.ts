/**
 * Builds the site: every page of the documentation, every source, the search index and what the
 * pages load. All of it is made in memory first; then only files that have changed are written, and
 * those of an earlier build that are no longer made are removed.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { readFiles, root } from './files.ts';
import { layOut, type Sheet, siteMenu, turnPage } from './layout.ts';
import { imageAddress, Site } from './links.ts';
import { type Rendered, renderMarkdown } from './markdown.ts';
import { type Page, type Part, readOutline } from './outline.ts';
import { paletteCss } from './palette.ts';
import { siteScript } from './scripts.ts';
import { type Found, searchIndex } from './searchIndex.ts';
import { sourcePages } from './sources.ts';

/** The files of the site, by address. */
export type Output = Map<string, string | Uint8Array>;

/** Makes the whole site. */
export function buildSite(): Output {
  const parts = readOutline();
  const pages = parts.flatMap((part) => part.pages);
  const site = new Site(readFiles(), pages);
  const output: Output = new Map();
  const found: Found[] = [];
  const add = (sheet: Sheet): void => void output.set(sheet.address, layOut(sheet));

  for (const page of pages) {
    const rendered = renderPage(site, page);
    add(sheetOf(parts, pages, page, rendered));
    found.push({ title: page.title, address: page.address, sections: rendered.sections });
  }
  for (const { sheet, sections } of sourcePages(site)) {
    add(sheet);
    found.push({ title: sheet.title, address: sheet.address, sections });
  }
  for (const image of site.images) output.set(imageAddress(image), readFileSync(join(root, image)));
  output.set('assets/index.js', searchIndex(found));
  output.set('assets/style.css', paletteCss() + asset('style.css'));
  output.set('assets/icon.svg', asset('icon.svg'));
  for (const name of ['paint', 'site']) output.set(`assets/${name}.js`, siteScript(name));
  return output;
}

/** Reads a page. What it links to has to be on the site. */
function renderPage(site: Site, { source, address, text }: Page): Rendered {
  const links = site.linksFrom(source, address, text);
  return renderMarkdown(source, text, { links, isRunnable: isRunnable(source) });
}

/** Pages whose blocks of `ts` make one program. */
function isRunnable(source: string): boolean {
  return source === 'README.md' || /^docs\/[^/]*$/.test(source);
}

function sheetOf(parts: readonly Part[], pages: readonly Page[], page: Page, rendered: Rendered): Sheet {
  const { address, title, source } = page;
  const isPackage = source.startsWith('docs/api/') && !source.endsWith('/README.md');
  return {
    address, title: isPackage ? `${title}, API reference` : title, body: rendered.body, sections: rendered.sections,
    description: firstSentences(rendered.sections[0]?.text ?? ''),
    menu: siteMenu(parts, address),
    footer: turnPage(pages, page),
  };
}

/** The start of a text, to the end of a sentence if there is one. */
function firstSentences(text: string): string {
  const start = text.replaceAll(/\s+/g, ' ').slice(0, 200);
  return /^.*[.!?](?= )/.exec(start)?.[0] ?? start;
}

/** A file that is made by hand, and put into the site as it is. */
function asset(name: string): string {
  return readFileSync(join(root, 'scripts/book/site', name), 'utf8');
}

/** Where a build notes what it has written, so that the next one can remove what is left over. */
const LIST = '.book.json';

/** Writes a site into a folder, and gives the number of its files. */
export function writeSite(output: Output, folder: string): number {
  const list = join(folder, LIST);
  const before = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) as string[] : [];
  const old = before.filter((file) => !output.has(file) && !normalize(file).startsWith('..'));
  for (const file of old) rmSync(join(folder, file), { force: true });
  const folders = new Set<string>();
  for (const [file, content] of output) {
    const path = join(folder, file);
    const bytes = Buffer.from(content);
    if (existsSync(path) && readFileSync(path).equals(bytes)) continue;
    if (!folders.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
    folders.add(dirname(path));
    writeFileSync(path, bytes);
  }
  writeFileSync(list, `${JSON.stringify([...output.keys()])}\n`);
  return output.size;
}
