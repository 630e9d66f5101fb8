/**
 * Markdown as HTML. A page becomes blocks (`blocks.ts`), the text in them becomes pieces
 * (`inline.ts`), and each of these a few tags. The tags come from templates that escape all that is
 * put into them (`html.ts`), so nothing that a page says can be more than text:
 *
 *     # A <b> & *c*   →   <h1 id="a-b--c">A &lt;b&gt; &amp; <em>c</em></h1>
 */
import { Anchors } from '../../api/markdown.ts';
import {
  type Block, blocksIn, type CodeBlock, type Details, type Heading, type List, type Table,
} from './blocks.ts';
import { highlight } from './highlight.ts';
import { element, html, type Html, joined } from './html.ts';
import { type Inline, parseInline, plainText } from './inline.ts';

/** Where the links of a page lead. */
export interface Links {
  /** The address of a link or image on the page. Throws an error if there is nothing. */
  to(target: string): string;
  /** The address of code that is the name of a file; undefined if it is not. */
  ofCode(code: string): string | undefined;
}

/** A heading, and the text below it down to the next. */
export interface Section {
  readonly level: number;
  readonly heading: string;
  readonly anchor: string;
  readonly text: string;
}

/** A page that was read. */
export interface Rendered {
  readonly body: Html;
  /** The first is that of the page. */
  readonly sections: readonly Section[];
}

/** What a page is rendered with. */
export interface RenderOptions {
  readonly links: Links;
  /** Whether blocks of `ts` are numbered, as they can be run. */
  readonly isRunnable: boolean;
  /** The addresses of what headings name, by the lines of the headings. */
  readonly declared?: ReadonlyMap<number, string>;
}

/** A page as HTML. Errors name it, and the line: `docs/02-tensors.md:12: the block has no end`. */
export function renderMarkdown(name: string, text: string, options: RenderOptions): Rendered {
  const renderer = new Renderer(name, options);
  const blocks = blocksIn(text, (line, message) => renderer.fail(line, message));
  const [first] = blocks;
  const hasTitle = first?.kind === 'heading' && first.level === 1;
  if (!hasTitle) renderer.fail(1, 'a page begins with # Title');
  const body = joined(blocks.map((block) => renderer.block(block)), '\n');
  return { body, sections: renderer.sections };
}

class Renderer {
  readonly sections: Section[] = [];
  readonly #name: string;
  readonly #options: RenderOptions;
  readonly #anchors = new Anchors();
  #runnable = 0;

  constructor(name: string, options: RenderOptions) {
    this.#name = name;
    this.#options = options;
  }

  fail(line: number, message: string): never {
    throw new Error(`${this.#name}:${line}: ${message}`);
  }

  block(block: Block): Html {
    switch (block.kind) {
      case 'heading': return this.#heading(block);
      case 'paragraph': return html`<p>${this.#text(block.text, block.line)}</p>`;
      case 'code': return this.#code(block);
      case 'list': return this.#list(block);
      case 'table': return this.#table(block);
      case 'details': return this.#details(block);
    }
  }

  #heading({ level, text, line }: Heading): Html {
    const before = this.sections.at(-1)?.level ?? 0;
    if (level > before + 1) this.fail(line, `a heading of level ${level} follows one of ${before}`);
    if (level === 1 && before > 0) this.fail(line, 'a page has one title');
    const inlines = this.#parse(text, line);
    const heading = plainText(inlines);
    const anchor = this.#anchors.next(heading);
    this.sections.push({ level, heading, anchor, text: '' });
    const content = this.#inlines(inlines, line);
    const link = html`<a class="anchor" href="#${anchor}" aria-label="Link to this section">#</a>`;
    const source = this.#options.declared?.get(line);
    const declared = source !== undefined && html` <a class="declared" href="${source}">source</a>`;
    const inside = level === 1 ? content : html`${content} ${link}${declared}`;
    return element(`h${level}`, html` id="${anchor}"`, inside);
  }

  #code({ info, code, line }: CodeBlock): Html {
    this.#note(code);
    const [language = ''] = info.split(' ');
    if (language === 'ts' && info !== 'ts' && info !== 'ts sketch') {
      this.fail(line, `a block is \`\`\`${info}, expected \`\`\`ts or \`\`\`ts sketch`);
    }
    const isRunnable = info === 'ts' && this.#options.isRunnable;
    const number = isRunnable && html` data-block="${this.#runnable++}"`;
    const lines = html`<pre><code>${coloured(language, code)}\n</code></pre>`;
    return html`<figure class="code"${number}>${lines}</figure>`;
  }

  #list({ first, isLoose, items }: List): Html {
    const rows = items.map((blocks) => html`<li>${joined(blocks.map((block) => {
      const isBare = block.kind === 'paragraph' && !isLoose;
      return isBare ? this.#text(block.text, block.line) : this.block(block);
    }), '\n')}</li>`);
    if (first === undefined) return html`<ul>\n${joined(rows, '\n')}\n</ul>`;
    const start = first !== 1 && html` start="${first}"`;
    return html`<ol${start}>\n${joined(rows, '\n')}\n</ol>`;
  }

  #details({ summary, blocks }: Details): Html {
    this.#note(summary);
    const inside = joined(blocks.map((block) => this.block(block)), '\n');
    return html`<details>\n<summary>${summary}</summary>\n${inside}\n</details>`;
  }

  #table({ alignments, head, rows, line }: Table): Html {
    const row = (tag: 'td' | 'th', cells: readonly string[], at: number): Html => html`<tr>${
      cells.map((cell, i) => {
        const alignment = alignments[i];
        const attributes = alignment === undefined ? '' : html` class="${alignment}"`;
        return element(tag, attributes, this.#text(cell, at));
      })
    }</tr>`;
    const hasHead = head.some((cell) => cell !== '');
    const heads = hasHead && html`<thead>${row('th', head, line)}</thead>\n`;
    const body = rows.map(({ cells, line: at }) => row('td', cells, at));
    return html`<div class="table"><table>\n${heads}<tbody>
${joined(body, '\n')}
</tbody></table></div>`;
  }

  /** A text of one or several lines, of which the first is `line`. */
  #text(text: string, line: number): Html {
    const inlines = this.#parse(text, line);
    this.#note(plainText(inlines));
    return this.#inlines(inlines, line);
  }

  #parse(text: string, line: number): Inline[] {
    return parseInline(text, (position, message) => (
      this.fail(line + text.slice(0, position).split('\n').length - 1, message)
    ));
  }

  #inlines(inlines: readonly Inline[], line: number, isInLink = false): Html {
    return joined(inlines.map((inline) => this.#inline(inline, line, isInLink)));
  }

  #inline(inline: Inline, line: number, isInLink: boolean): Html | string {
    if (typeof inline === 'string') return withWholeNames(inline);
    if (inline.kind === 'break') return html`<br>`;
    if (inline.kind === 'image') {
      return html`<img src="${this.#address(inline.target, line)}" alt="${inline.alt}">`;
    }
    if (inline.kind === 'link') {
      const inside = this.#inlines(inline.children, line, true);
      // A link in a link would end the outer one.
      if (isInLink) return inside;
      return html`<a href="${this.#address(inline.target, line)}">${inside}</a>`;
    }
    const inside = this.#inlines(inline.children, line, isInLink);
    if (inline.kind === 'strong') return html`<strong>${inside}</strong>`;
    if (inline.kind === 'emphasis') return html`<em>${inside}</em>`;
    const text = plainText(inline.children);
    const code = html`<code>${isPath.test(text) ? withBreaks(text) : inside}</code>`;
    const target = isInLink ? undefined : this.#options.links.ofCode(text);
    return target === undefined ? code : html`<a href="${target}">${code}</a>`;
  }

  #address(target: string, line: number): string {
    try {
      return this.#options.links.to(target);
    } catch (error) {
      return this.fail(line, error instanceof Error ? error.message : String(error));
    }
  }

  /** Adds to the text of the section. */
  #note(text: string): void {
    const section = this.sections.pop();
    if (section === undefined) return;
    this.sections.push({ ...section, text: `${section.text} ${text}`.trim() });
  }
}

/** A text in which no line ends inside of a name such as Mamba-2 or split-K. */
function withWholeNames(text: string): Html {
  const parts = text.split(/(\p{L}+-(?:\d+|\p{L})(?![\p{L}\d]))/u);
  const isName = (i: number): boolean => i % 2 === 1;
  return joined(parts.map((part, i) => (
    isName(i) ? html`<span class="whole">${part}</span>` : part
  )));
}

const isPath = /^[\w@.-]+(?:\/[\w.-]+)+\/?$/;

/** A path in which a line may end after each slash. */
function withBreaks(path: string): Html {
  return joined(path.split('/'), '/<wbr>');
}

/** Code in its language: TypeScript with colours, changes with their lines marked, others plain. */
function coloured(language: string, code: string): Html | string {
  if (language === 'ts') return highlight(code);
  if (language !== 'diff') return code;
  return joined(code.split('\n').map((line) => {
    const name = line.startsWith('+') ? 'ins' : line.startsWith('-') ? 'del' : undefined;
    return name === undefined ? line : html`<b class="${name}">${line}</b>`;
  }), '\n');
}
