/**
 * Builds the site: every page of the documentation, every source, the search index and what the
 * pages load. All of it is made in memory first; then only files that have changed are written, and
 * those of an earlier build that are no longer made are removed.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { exercisePages } from './exercises.ts';
import { readFiles, root } from './files.ts';
import { layOut } from './layout.ts';
import { imageAddress, Site } from './links.ts';
import { missingSheet } from './missing.ts';
import { readOutline } from './outline.ts';
import { bookPages } from './pages.ts';
import { paletteCss } from './palette.ts';
import { playgroundSheet } from './playground.ts';
import { siteScript, workerScripts } from './scripts.ts';
import { type Found, searchIndex } from './searchIndex.ts';
import { sourcePages } from './sources.ts';

/** The files of the site, by address. */
export type Output = Map<string, string | Uint8Array>;

/** Makes the whole site. */
export function buildSite(): Output {
  const parts = readOutline();
  const site = new Site(readFiles(), parts.flatMap(({ pages }) => pages));
  const output: Output = new Map();
  const found: Found[] = [];
  const allPages = [
    ...bookPages(site, parts), ...exercisePages(site, parts), ...sourcePages(site),
  ];
  for (const { sheet, title, sections } of allPages) {
    output.set(sheet.address, layOut(sheet));
    found.push({ title, address: sheet.address, sections });
  }
  for (const sheet of [playgroundSheet(parts), missingSheet(parts)]) {
    output.set(sheet.address, layOut(sheet));
  }
  for (const image of site.images) output.set(imageAddress(image), readFileSync(join(root, image)));
  for (const name of ['paint', 'site', 'playground', 'pieces', 'exercise', 'missing']) {
    output.set(`assets/${name}.js`, siteScript(name));
  }
  output.set('assets/index.js', searchIndex(found));
  for (const [name, text] of workerScripts()) output.set(`assets/${name}.js`, text);
  output.set('assets/style.css', stylesheet());
  output.set('assets/icon.svg', asset('icon.svg'));
  return output;
}

/** The style sheet of all pages, without comments and the white space around `{`, `}` and `;`. */
function stylesheet(): string {
  const css = paletteCss() + asset('style.css') + asset('run.css');
  const uncommented = css.replace(/\/\*[^]*?\*\//g, '');
  return uncommented.replace(/\s+/g, ' ').replace(/ ?([{};]) ?/g, '$1');
}

/** A file of the site that is made by hand. */
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
  for (const [file, content] of output) {
    const path = join(folder, file);
    const bytes = Buffer.from(content);
    if (existsSync(path) && readFileSync(path).equals(bytes)) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  writeFileSync(list, `${JSON.stringify([...output.keys()])}\n`);
  return output.size;
}
