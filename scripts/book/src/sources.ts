/**
 * The sources as pages: each file with its lines numbered, each folder with what is in it. A line
 * has an address, `threads.ts.html#L12`, and the imports of a file lead to the files they name.
 */
import { basename, dirname, join, relative } from 'node:path/posix';
import { headerOf } from '../../api/declarations.ts';
import { packageEntries } from '../../bundle/packages.ts';
import { type Files, foldersOf, readText, root } from './files.ts';
import { highlight } from './highlight.ts';
import { html, Html, joined } from './html.ts';
import { menuPart, type Sheet } from './layout.ts';
import { type Site, way } from './links.ts';
import { renderMarkdown } from './markdown.ts';
import type { SitePage } from './pages.ts';

/** The page of every file and folder. */
export function sourcePages(site: Site): SitePage[] {
  const { files } = site;
  const entries = specifiers();
  return [
    folderPage(site, '.'),
    ...[...files.folders].map((folder) => folderPage(site, folder)),
    ...[...files.paths].filter((path) => !path.endsWith('.md'))
      .map((path) => filePage(site, path, entries)),
  ];
}

/** What users import the packages by, with the source of what that names. */
function specifiers(): Map<string, string> {
  return new Map([...packageEntries()].map(([specifier, file]) => {
    const path = relative(root, file.replaceAll('\\', '/'));
    return [specifier, path.replace('/dist/', '/src/').replace(/\.js$/, '.ts')];
  }));
}

function filePage(site: Site, path: string, entries: ReadonlyMap<string, string>): SitePage {
  const address = `source/${path}.html`;
  const text = readText(path).replace(/\n$/, '');
  const isScript = /\.(?:ts|mjs|js)$/.test(path);
  const coloured = isScript
    ? highlight(text, (specifier) => {
      const isRelative = specifier.startsWith('.');
      const file = isRelative ? join(dirname(path), specifier) : entries.get(specifier);
      const target = file === undefined ? undefined : site.addressOf(file);
      return target === undefined ? undefined : way(address, target);
    })
    : html`${text}`;
  const lines = coloured.text.split('\n').map((line, i) => html`<span id="L${i + 1}"><a
 href="#L${i + 1}" tabindex="-1">${i + 1}</a>${new Html(line)}\n</span>`);
  const sections = [{ level: 1, heading: basename(path), anchor: '', text: '' }];
  const body = html`${wayTo(path, address)}
<h1>${basename(path)}</h1>
<pre class="lines"><code>${joined(lines)}</code></pre>\n`;
  const sheet: Sheet = {
    address, title: path, body, menu: folderMenu(site, dirname(path), address),
    sections: [], kind: 'source',
  };
  return { sheet, title: path, sections };
}

function folderPage(site: Site, folder: string): SitePage {
  const isTop = folder === '.';
  const address = folderAddress(folder);
  const readme = join(folder, 'README.md');
  const isTold = !isTop && site.files.paths.has(readme);
  const text = isTold ? readText(readme) : `# ${isTop ? 'All files' : `\`${folder}\``}\n`;
  const links = site.linksFrom(readme, address, text);
  const { body, sections } = renderMarkdown(readme, text, { links, isRunnable: false });
  const items = site.files.in(folder).filter((path) => path !== readme).map((path) => {
    const name = site.files.folders.has(path) ? `${basename(path)}/` : basename(path);
    const target = way(address, site.addressOf(path) ?? address);
    const link = html`<a href="${target}"><code>${name}</code></a>`;
    return html`<li>${link} ${summaryOf(site.files, path)}</li>`;
  });
  const list = html`<ul class="files">\n${joined(items, '\n')}\n</ul>\n`;
  const sheet: Sheet = {
    address, title: isTop ? 'All files' : folder, sections: [],
    body: html`${wayTo(folder, address)}\n${body}\n${list}`,
    menu: folderMenu(site, isTop ? folder : dirname(folder), address),
  };
  return { sheet, title: sheet.title, sections };
}

function folderAddress(folder: string): string {
  return folder === '.' ? 'source/index.html' : `source/${folder}/index.html`;
}

/** The first sentence of a source's header, or of a folder's README. */
function summaryOf(files: Files, path: string): string {
  const readme = join(path, 'README.md');
  const about = files.paths.has(readme) ? readText(readme).replace(/^# .*\n+/, '')
    : /\.ts$/.test(path) ? headerOf(readText(path)) : '';
  const [paragraph = ''] = about.split(/\n\s*\n/);
  const [sentence] = paragraph.replaceAll(/\s+/g, ' ').split(/(?<=[.:]) /);
  return sentence.replaceAll(/[`*]/g, '').replace(/:$/, '');
}

/** The folders above a file or folder, as links. */
function wayTo(path: string, address: string): Html {
  const above = path === '.' ? [] : ['.', ...foldersOf(path).reverse()];
  const links = above.map((folder) => {
    const name = folder === '.' ? 'All files' : basename(folder);
    return html`<li><a href="${way(address, folderAddress(folder))}">${name}</a></li>`;
  });
  return html`<nav class="way" aria-label="Folders"><ol>${links}</ol></nav>`;
}

/** The files of a folder, below the way out of it. */
function folderMenu(site: Site, folder: string, address: string): Html {
  const up = { address: folderAddress(dirname(folder)), title: '↑ up' };
  const above = folder === '.' ? [] : [up];
  const items = site.files.in(folder).filter((path) => !path.endsWith('.md')).map((path) => {
    const name = site.files.folders.has(path) ? `${basename(path)}/` : basename(path);
    return { address: site.addressOf(path) ?? address, title: name };
  });
  return menuPart(folder === '.' ? 'All files' : folder, [...above, ...items], address);
}
