/**
 * What is around the text of every page: its head, the bar at the top, the contents of the site on
 * the left, those of the page on the right, and the way to the next page.
 */
import { html, type Html, joined } from './html.ts';
import { way } from './links.ts';
import type { Section } from './markdown.ts';
import { exerciseOrder, type Page, type Part } from './outline.ts';
import { frameHash } from './scripts.ts';

/** A page as it is put into the layout. */
export interface Sheet {
  readonly address: string;
  readonly title: string;
  /** The first sentences, for search engines; none if undefined. */
  readonly description?: string | undefined;
  readonly body: Html;
  /** The contents of the site, or of a folder. */
  readonly menu: Html;
  readonly sections: readonly Section[];
  /** What stands behind the text: the pages before and after it. */
  readonly footer?: Html;
  /** Scripts of the page, which run when it has been read. */
  readonly scripts?: readonly string[];
  /** What the page's scripts read. */
  readonly data?: Html | undefined;
  /** The class of the body: `source` where lines of code need all the room. */
  readonly kind?: 'source' | undefined;
}

/**
 * What a page may do: show and run its own files, compile programs in a worker, and nothing else.
 * No address can be asked for anything, by no script, whoever wrote it.
 */
const policy = (): string => [
  "default-src 'none'", "style-src 'self'", "img-src 'self' data:",
  `script-src 'self' blob: 'unsafe-eval' 'wasm-unsafe-eval' ${frameHash()}`, 'worker-src blob:',
  "connect-src 'none'", "base-uri 'none'", "form-action 'none'",
].join('; ');

/** A whole page. */
export function layOut(sheet: Sheet): string {
  const { address, title, description, scripts = [], kind } = sheet;
  const asset = (name: string): string => way(address, `assets/${name}`);
  const toc = tableOfContents(sheet.sections);
  const toRoot = way(address, 'index.html').replace(/index\.html$/, '');
  const about = description !== undefined &&
    html`<meta name="description" content="${description}">\n`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy()}">
<title>${title === 'mambagrad' ? title : `${title} · mambagrad`}</title>
${about}<link rel="icon" href="${asset('icon.svg')}">
<link rel="stylesheet" href="${asset('style.css')}">
<script src="${asset('paint.js')}"></script>
${['site.js', ...scripts].map((name) => html`<script src="${asset(name)}" defer></script>\n`)}\
</head>
<body class="${kind ?? 'text'}" data-root="${toRoot}">
<a class="skip" href="#content">Skip to the text</a>
${bar(address, toc !== undefined)}
<div class="frame">
<nav id="menu" popover aria-label="Contents">
${sheet.menu}
</nav>
<main id="content" tabindex="-1">
${sheet.body}
${sheet.footer}</main>
${toc}</div>
${sheet.data}</body>
</html>
`.text;
}

function bar(address: string, hasToc: boolean): Html {
  const toc = html`<button class="icon toc" popovertarget="toc"
 aria-label="On this page">${icons.toc}</button>\n`;
  return html`<header class="bar">
<button class="icon menu" popovertarget="menu" aria-label="Contents">${icons.menu}</button>
<a class="home" href="${way(address, 'index.html')}">mambagrad</a>
<search class="scripted"><input id="search" type="search" role="combobox" aria-expanded="false"
 aria-controls="results" aria-autocomplete="list" aria-label="Search" placeholder="Search"
 autocomplete="off" spellcheck="false" aria-keyshortcuts="/"><kbd aria-hidden="true">/</kbd>
<div id="results" role="listbox" aria-label="Results" hidden></div>
<p id="found" class="unseen" role="status"></p></search>
<nav class="links" aria-label="Site">
<a href="${way(address, 'playground.html')}">Playground</a></nav>
${hasToc && toc}<button class="icon scripted" id="theme" aria-pressed="false"
 aria-label="Dark colours">${icons.theme}</button>
</header>`;
}

/** A drawing of lines, 20 wide and 20 high. */
function icon(path: string, more?: Html): Html {
  return html`<svg viewBox="0 0 20 20" aria-hidden="true"><path d="${path}"/>${more}</svg>`;
}

const icons = {
  menu: icon('M3 5h14M3 10h14M3 15h14'),
  toc: icon('M4 5h.01M8 5h8M4 10h.01M8 10h8M4 15h.01M8 15h8'),
  theme: icon(
    'M10 3a7 7 0 0 0 0 14a7 7 0 0 0 0-14',
    html`<path class="half" d="M10 3a7 7 0 0 1 0 14"/>`,
  ),
};

/** The contents of the site, the page at `address` marked. */
export function siteMenu(parts: readonly Part[], address: string): Html {
  return joined([
    ...parts.map(({ title, pages }) => menuPart(title, pages.flatMap(menuItems), address)),
    menuPart('Try it', [{ address: 'playground.html', title: 'Playground' }], address),
    menuPart('Sources', [{ address: 'source/index.html', title: 'All files' }], address),
  ], '\n');
}

/** A page as the menu has it, and what is listed below it. */
function menuItems(page: Page): Pick<Page, 'address' | 'title'>[] {
  const item = { address: page.address, title: menuTitle(page) };
  return page.source === 'docs/exercises.md' ? [item, ...exerciseOrder()] : [item];
}

/** Titles as the menu has them: packages without what is in front of all of them. */
function menuTitle({ title, source }: Page): string {
  if (source === 'README.md') return 'Overview';
  if (source === 'docs/api/README.md') return 'All packages';
  return source.startsWith('docs/api/') ? title.replace(/^@mambagrad\//, '') : title;
}

/** A part of a menu. */
export function menuPart(
  title: string, items: readonly Pick<Page, 'address' | 'title'>[], from: string,
): Html {
  const links = items.map(({ address, title: text }) => {
    const current = address === from && html` aria-current="page"`;
    return html`<li><a href="${way(from, address)}"${current}>${text}</a></li>`;
  });
  // No headings, as those of the text come first.
  const label = title !== '' && html` aria-label="${title}"`;
  return html`${title !== '' && html`<p class="part" aria-hidden="true">${title}</p>\n`}<ul${label}>
${joined(links, '\n')}
</ul>`;
}

/** The headings of a page, of two levels, if there are enough of them. */
function tableOfContents(sections: readonly Section[]): Html | undefined {
  const listed = sections.filter(({ level }) => level === 2 || level === 3);
  if (listed.length < 2) return undefined;
  const links = listed.map(({ level, heading, anchor }) =>
    html`<li class="level${level}"><a href="#${anchor}">${heading}</a></li>`);
  return html`<nav id="toc" popover aria-labelledby="toc-title">
<p class="part" id="toc-title">On this page</p>
<ul>\n${joined(links, '\n')}\n</ul>
</nav>\n`;
}

/** The pages before and after one. */
export function turnPage(pages: readonly Page[], page: Page): Html {
  const at = pages.indexOf(page);
  const link = (to: Page | undefined, name: string, text: string): Html | undefined => {
    if (to === undefined) return undefined;
    const target = html`rel="${name}" href="${way(page.address, to.address)}"`;
    return html`<a class="${name}" ${target}><span>${text}</span> ${to.title}</a>\n`;
  };
  return html`<nav class="turn" aria-label="Pages before and after">
${link(pages[at - 1], 'prev', 'Previous')}${link(pages[at + 1], 'next', 'Next')}</nav>\n`;
}
