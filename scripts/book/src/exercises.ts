/**
 * The pages of the exercises. What is asked is the header of the exercise's file; an editor has the
 * functions to write, without types, as all code of the site; and the types stand above it.
 */
import { compileAll, eraseTypes } from './erase.ts';
import { readText } from './files.ts';
import { html, jsonInScript } from './html.ts';
import { type Sheet, siteMenu, turnPage } from './layout.ts';
import type { Site } from './links.ts';
import { renderMarkdown } from './markdown.ts';
import { exerciseOrder, type Part } from './outline.ts';
import type { SitePage } from './pages.ts';
import { hintsOf } from './scripts.ts';

/** What the script of an exercise's page reads. */
export interface ExerciseData {
  readonly name: string;
  readonly code: string;
  readonly solution: string;
  readonly hints: readonly string[];
}

/** The page of each exercise. */
export function exercisePages(site: Site, parts: readonly Part[]): SitePage[] {
  const pages = exerciseOrder();
  const hints = hintsOf();
  const code = codeWithoutTypes(pages.flatMap(({ name }) =>
    [`exercises/${name}.ts`, `exercises/solutions/${name}.ts`]));
  return pages.map((page, i): SitePage => {
    const { name, address, title, after } = page;
    const source = readText(`exercises/${name}.ts`);
    const text = `# ${title}\n\nExercise ${i + 1} of ${pages.length}, after ${after}. ` +
      `[The file](../exercises/${name}.ts) can be checked in a terminal, too: ` +
      `\`npm run exercise ${name}\`.\n\n` +
      `${statementOf(source)}\n\n` +
      `## What is given\n\n\`\`\`ts\n${typesOf(source)}\n\`\`\`\n\n## Your answer\n`;
    const links = site.linksFrom('docs/exercises.md', address, text);
    const { body, sections } =
      renderMarkdown(`exercises/${name}.ts`, text, { links, isRunnable: false });
    const data: ExerciseData = {
      name, code: code[2 * i], solution: code[2 * i + 1], hints: hints.get(name) ?? [],
    };
    const sheet: Sheet = {
      address, title: `${title}, exercise`, sections, menu: siteMenu(parts, address),
      body: html`${body}\n<noscript><p>Checking an answer needs JavaScript.</p></noscript>
<div id="exercise"></div>`,
      description: `An exercise of mambagrad, checked in the browser: ${title.toLowerCase()}.`,
      footer: turnPage(pages, page), scripts: ['exercise.js'],
      data: html`<script type="application/json" id="answer">${jsonInScript(data)}</script>\n`,
    };
    return { sheet, title, sections };
  });
}

/** The header of a file as Markdown: without its title, and what the terminal alone has. */
function statementOf(source: string): string {
  const [, header = ''] = /^\/\*\*\n([^]*?)\n \*\/\n/.exec(source) ?? [];
  const lines = header.split('\n').map((line) => line.replace(/^ \* ?/, ''));
  // Lists are moved to the right there.
  return lines.slice(1).join('\n').replace(/\n\nCheck it with [^]*$/, '')
    .replaceAll(/^ {2}(?=- )/gm, '').trim();
}

/** The types of a file, and its functions without their bodies. */
function typesOf(source: string): string {
  const [, ...declarations] = source.split(/^(?=\/\*\* )/m);
  return declarations.map((text) =>
    text.replaceAll(/ \{\n {2}throw new Error\([^]*?\n\}/g, ';').trim()).join('\n\n');
}

/** Files without types and header, and without the empty lines that types leave. */
function codeWithoutTypes(files: readonly string[]): string[] {
  const sources = files.map(readText);
  const compiled = compileAll(sources);
  return sources.map((source, i) => {
    const code = eraseTypes(source, compiled[i]).replace(/^\/\*\*[^]*?\*\/\n/, '');
    return `${code.replaceAll(/\n{3,}/g, '\n\n').trim()}\n`;
  });
}
