/**
 * The pages that are made of Markdown: the chapters, with their code as a program that can be run,
 * and the reference, whose names lead to the lines that declare them.
 */
import { readText } from './files.ts';
import { html, type Html, jsonInScript } from './html.ts';
import { type Sheet, siteMenu, turnPage } from './layout.ts';
import { type Site, way } from './links.ts';
import { renderMarkdown, type Section } from './markdown.ts';
import type { Page, Part } from './outline.ts';
import { type PageProgram, programsOf } from './program.ts';

/** A page in its layout, with what the search finds of it. */
export interface SitePage {
  readonly sheet: Sheet;
  readonly title: string;
  readonly sections: readonly Section[];
}

/** All pages of the outline. */
export function bookPages(site: Site, parts: readonly Part[]): SitePage[] {
  const pages = parts.flatMap((part) => part.pages);
  const runnable = pages.filter(({ source }) => isRunnable(source));
  const programs = programsOf(new Map(runnable.map(({ source, text }) => [source, text])));
  return pages.map((page): SitePage => {
    const { source, address, title, text } = page;
    const rendered = renderMarkdown(source, text.replace(nextChapter, '\n'), {
      links: site.linksFrom(source, address, text),
      isRunnable: isRunnable(source),
      declared: declarationsIn(site, page),
    });
    const { body, sections } = rendered;
    const program = programs.get(source);
    const sheet: Sheet = {
      address, body, sections,
      title: isOfPackage(source) ? `${title}, API reference` : title,
      description: firstSentences(sections[0].text),
      menu: siteMenu(parts, address),
      footer: turnPage(pages, page),
      data: program && programData(program),
    };
    return { sheet, title, sections };
  });
}

/** The last line of a chapter. The site leaves it out: the foot of every page has that link. */
const nextChapter = /\n+Next: \[[^\]]+\]\([^)]+\)\.\n*$/;

/** Whether the blocks of `ts` of a page are one program. */
function isRunnable(source: string): boolean {
  return source === 'README.md' || /^docs\/[^/]*$/.test(source);
}

function isOfPackage(source: string): boolean {
  return source.startsWith('docs/api/') && !source.endsWith('/README.md');
}

function programData(program: PageProgram): Html {
  return html`<script type="application/json" id="program">${jsonInScript(program)}</script>\n`;
}

/**
 * For a page of the reference, where each heading is declared, by the line of the heading: the
 * headings are names, and below those of a file stands `Source: [packages/…](…)`.
 */
function declarationsIn(site: Site, { source, address, text }: Page): Map<number, string> {
  const found = new Map<number, string>();
  if (!isOfPackage(source)) return found;
  let [path, code] = ['', ''];
  text.split('\n').forEach((line, i) => {
    const [, file] = /^Source: \[(.+)\]\(/.exec(line) ?? [];
    if (file !== undefined) [path, code] = [file, readText(file)];
    const [, name] = /^#### ([\w$]+)$/.exec(line) ?? [];
    const declared = name === undefined ? undefined : lineOf(code, name);
    const target = declared === undefined ? undefined : site.addressOf(path);
    if (target !== undefined) found.set(i + 1, `${way(address, target)}#L${declared}`);
  });
  return found;
}

const declaration = /^export (?:abstract )?(?:const|let|function\*?|class|interface|type) ([\w$]+)/;

/** The line that declares a name that is exported; undefined if none begins so. */
function lineOf(code: string, name: string): number | undefined {
  const at = code.split('\n').findIndex((line) => declaration.exec(line)?.[1] === name);
  return at < 0 ? undefined : at + 1;
}

/** The start of a text, to the end of a sentence if there is one. */
function firstSentences(text: string): string {
  const start = text.replaceAll(/\s+/g, ' ').slice(0, 200);
  return /^.*[.!?](?= )/.exec(start)?.[0] ?? start;
}
