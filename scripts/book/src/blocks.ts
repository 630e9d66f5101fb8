/**
 * The blocks of a Markdown page: headings, paragraphs, code, lists, tables and folded answers. The
 * first characters of a line say what begins there. The item of a list is a page in itself, moved
 * to the right:
 *
 *     1. Write it.        →   list: [paragraph, code]
 *
 *        ```ts
 *        write();
 *        ```
 *
 * Lists, code and indentation are as CommonMark has them, tables and folded blocks as GitHub has
 * them. Markdown that the pages do not use is an error that names the line, and so is what most
 * likely is a slip.
 */

export type Block = Heading | Paragraph | CodeBlock | List | Table | Details;

export interface Heading {
  readonly kind: 'heading';
  readonly level: 1 | 2 | 3 | 4 | 5 | 6;
  readonly text: string;
  readonly line: number;
}

/** Lines of text, as many as on the page. */
export interface Paragraph {
  readonly kind: 'paragraph';
  readonly text: string;
  readonly line: number;
}

/** Code between fences, or indented by four spaces. */
export interface CodeBlock {
  readonly kind: 'code';
  /** The text after the opening fence; empty if there is none. */
  readonly info: string;
  readonly code: string;
  /** The line of the opening fence, or the first line of indented code. */
  readonly line: number;
}

export interface List {
  readonly kind: 'list';
  /** The number of the first item; undefined if items have dots. */
  readonly first: number | undefined;
  /** Whether items are set apart, as there is an empty line between some of them. */
  readonly isLoose: boolean;
  readonly items: readonly (readonly Block[])[];
}

export interface Table {
  readonly kind: 'table';
  readonly alignments: readonly (Alignment | undefined)[];
  readonly head: readonly string[];
  /** The cells of each row, and its line. */
  readonly rows: readonly { readonly cells: readonly string[]; readonly line: number }[];
  readonly line: number;
}

/** Blocks that are folded away below a line of text, until a reader opens them. */
export interface Details {
  readonly kind: 'details';
  readonly summary: string;
  readonly blocks: readonly Block[];
}

export type Alignment = 'left' | 'center' | 'right';

/** Throws an error that names the line. */
export type FailAtLine = (line: number, message: string) => never;

interface Line {
  readonly text: string;
  readonly number: number;
}

const heading = /^(#{1,6})(?: +(.*?))?(?: +#+)? *$/;
const fence = /^(`{3,}) *([^`]*?) *$/;
const item = /^(-|(\d{1,9})\.)( +)(?=\S)/;
const delimiters = /^\|?(?: *:?-+:? *\|)* *:?-+:? *\|? *$/;
const foldTag = /^ *<\/?(?:details|summary)\b/;
/** A summary is plain text, as GitHub shows any Markdown in it as it is written. */
const summaryLine = /^<summary>([^<>&`*_[\]\\]*[^\s<>&`*_[\]\\])<\/summary>$/;
const comment = /^<!--[^]*?-->$/;

/** What begins another kind of block in Markdown, and is not known here. */
const unknown: readonly (readonly [pattern: RegExp, message: string])[] = [
  [/^>/, 'quotations are not known'],
  [/^([-*_]) *\1 *\1(?: *\1)* *$/, 'lines across the page are not known'],
  [/^=+ *$/, 'headings by a line below are not known: write #'],
  [/^[*+] +\S/, 'the items of a list begin with -'],
  [/^\d{1,9}\) +\S/, 'the numbers of a list are followed by a dot'],
  [/^~~~/, 'code stands between backquotes'],
];

/** The same, where it is the first line of a paragraph. */
const definition = /^\[[^\]]+\]: *\S/;

/** The blocks of a page. */
export function blocksIn(text: string, fail: FailAtLine): Block[] {
  const lines = text.split('\n').map((line, i) => ({ text: line, number: i + 1 }));
  return new BlockParser(lines, fail).parse();
}

class BlockParser {
  readonly #lines: readonly Line[];
  readonly #fail: FailAtLine;
  #next = 0;
  /** Whether an empty line stands between two of the blocks. */
  hasGaps = false;

  constructor(lines: readonly Line[], fail: FailAtLine) {
    this.#lines = lines;
    this.#fail = fail;
  }

  parse(): Block[] {
    const blocks = this.#blocks();
    const end = this.#lines[this.#next];
    if (end !== undefined) this.#fail(end.number, '</details> has no <details> before it');
    return blocks;
  }

  /** The blocks up to the end, or to a line `</details>`. */
  #blocks(): Block[] {
    const blocks: Block[] = [];
    let isAfterBlank = false;
    while (this.#next < this.#lines.length) {
      const { text } = this.#lines[this.#next];
      if (text === '</details>') break;
      if (text.trim() === '') isAfterBlank = blocks.length > 0;
      if (text.trim() === '' || comment.test(text)) this.#next++;
      else {
        this.hasGaps ||= isAfterBlank;
        blocks.push(this.#block());
        isAfterBlank = false;
      }
    }
    return blocks;
  }

  #block(): Block {
    const { text, number } = this.#lines[this.#next];
    const [, marks, title = ''] = heading.exec(text) ?? [];
    if (marks !== undefined) {
      this.#next++;
      if (title === '') this.#fail(number, 'the heading is empty');
      const level = marks.length as Heading['level'];
      return { kind: 'heading', level, text: title, line: number };
    }
    if (fence.test(text)) return this.#fenced();
    if (text.startsWith('    ')) return this.#indented();
    if (item.test(text)) return this.#list();
    if (foldTag.test(text)) return this.#details();
    if (this.#isTable()) return this.#table();
    return this.#paragraph();
  }

  #fenced(): CodeBlock {
    const { text, number } = this.#lines[this.#next++];
    const [, marks, info] = fence.exec(text) ?? ['', '', ''];
    const code: string[] = [];
    while (this.#next < this.#lines.length) {
      const { text: line } = this.#lines[this.#next++];
      const [, end = '', after] = fence.exec(line) ?? [];
      const isEnd = end.length >= marks.length && after === '';
      if (isEnd) return { kind: 'code', info, code: code.join('\n'), line: number };
      code.push(line);
    }
    return this.#fail(number, 'the block has no end');
  }

  #indented(): CodeBlock {
    const { number } = this.#lines[this.#next];
    const code: string[] = [];
    for (; this.#next < this.#lines.length; this.#next++) {
      const { text } = this.#lines[this.#next];
      if (!text.startsWith('    ') && text.trim() !== '') break;
      code.push(text.slice(4));
    }
    return { kind: 'code', info: '', code: code.join('\n').trimEnd(), line: number };
  }

  #list(): List {
    const items: Block[][] = [];
    let isLoose = false;
    const [, mark, number] = item.exec(this.#lines[this.#next].text) ?? [];
    const isNumbered = mark !== '-';
    for (;;) {
      const blank = this.#blankLines();
      const found = item.exec(this.#lines[this.#next + blank]?.text ?? '');
      if (found === null || (found[1] !== '-') !== isNumbered) break;
      this.#next += blank;
      const inside = new BlockParser(this.#itemLines(found[0].length), this.#fail);
      items.push(inside.parse());
      isLoose ||= inside.hasGaps || (items.length > 1 && blank > 0);
    }
    return { kind: 'list', first: isNumbered ? Number(number) : undefined, isLoose, items };
  }

  /** `<details>`, `<summary>…</summary>`, an empty line, blocks, an empty line, `</details>`. */
  #details(): Details {
    const { text, number } = this.#lines[this.#next];
    const [, summary] = summaryLine.exec(this.#textAt(1)) ?? [];
    if (text !== '<details>') {
      const expected = 'a line <details> or </details>, and nothing else in it';
      this.#fail(number, `expected ${expected}: ${text}`);
    }
    if (summary === undefined) {
      this.#fail(number + 1, 'below <details> stands <summary>plain text</summary>');
    }
    if (this.#textAt(2) !== '') this.#fail(number + 2, 'an empty line stands below <summary>');
    this.#next += 3;
    const blocks = this.#blocks();
    const end = this.#lines[this.#next];
    if (end === undefined) this.#fail(number, '<details> has no line </details> at its end');
    if (this.#textAt(-1) !== '') this.#fail(end.number, 'an empty line stands before </details>');
    if (blocks.length === 0) this.#fail(number, 'there is nothing in <details>');
    if (this.#textAt(1) !== '') this.#fail(end.number + 1, 'an empty line follows </details>');
    this.#next++;
    return { kind: 'details', summary, blocks };
  }

  /** The text of a line, counted from the next one; empty beyond the end. */
  #textAt(offset: number): string {
    return this.#lines[this.#next + offset]?.text.trim() ?? '';
  }

  #blankLines(): number {
    let count = 0;
    while (this.#lines[this.#next + count]?.text.trim() === '') count++;
    return count;
  }

  /** The lines of an item, moved to the left by the width of its mark. */
  #itemLines(width: number): Line[] {
    const lines: Line[] = [];
    while (this.#next < this.#lines.length) {
      const blank = this.#blankLines();
      const { text, number } = this.#lines[this.#next + blank] ?? { text: '', number: 0 };
      const isInside = lines.length === 0 || text.startsWith(' '.repeat(width));
      if (!isInside) {
        const isOfText = blank === 0 && !startsBlock(text) && !item.test(text);
        if (isOfText) this.#fail(number, `move the text of the item by ${width} spaces`);
        break;
      }
      const all = this.#lines.slice(this.#next, this.#next + blank + 1);
      lines.push(...all.map((line) => ({ ...line, text: line.text.slice(width) })));
      this.#next += blank + 1;
    }
    return lines;
  }

  #isTable(): boolean {
    const [first, second] = this.#lines.slice(this.#next, this.#next + 2);
    return second !== undefined && first.text.includes('|') && delimiters.test(second.text) &&
      second.text.includes('|');
  }

  #table(): Table {
    const { text, number } = this.#lines[this.#next];
    const head = cellsOf(text);
    const alignments = cellsOf(this.#lines[this.#next + 1].text).map(alignmentOf);
    if (alignments.length !== head.length) {
      const counts = `${head.length} heads, and ${alignments.length} lines below`;
      this.#fail(number + 1, `the table has ${counts}`);
    }
    const rows: { cells: string[]; line: number }[] = [];
    for (this.#next += 2; this.#next < this.#lines.length; this.#next++) {
      const { text: row, number: line } = this.#lines[this.#next];
      if (row.trim() === '' || startsBlock(row)) break;
      const cells = cellsOf(row);
      if (cells.length !== head.length) {
        this.#fail(line, `the row has ${cells.length} cells, and the table ${head.length} columns`);
      }
      rows.push({ cells, line });
    }
    return { kind: 'table', alignments, head, rows, line: number };
  }

  #paragraph(): Block {
    const lines: Line[] = [];
    for (; this.#next < this.#lines.length; this.#next++) {
      const line = this.#lines[this.#next];
      if (line.text.trim() === '') break;
      if (lines.length > 0 && (startsBlock(line.text) || comment.test(line.text))) break;
      const [, message] = unknown.find(([pattern]) => pattern.test(line.text)) ?? [];
      if (message !== undefined) this.#fail(line.number, message);
      if (lines.length === 0 && definition.test(line.text)) {
        this.#fail(line.number, 'write the target of a link behind it');
      }
      lines.push(line);
    }
    const [{ number: line }] = lines;
    const text = lines.map(({ text: each }, i) => {
      const isLast = i === lines.length - 1;
      return isLast ? each.trim() : each.trimStart();
    }).join('\n');
    return { kind: 'paragraph', text, line };
  }
}

/** Whether a line ends the paragraph before it. Of numbered lists those that begin with 1 do. */
function startsBlock(text: string): boolean {
  const [, , number = '1'] = item.exec(text) ?? [];
  return heading.test(text) || fence.test(text) || foldTag.test(text) ||
    (item.test(text) && Number(number) === 1);
}

/** The cells of a row: a bar between them that is part of a cell is written `\|`. */
function cellsOf(row: string): string[] {
  const inside = row.trim().replace(/^\|/, '').replace(/(?<!\\)\|$/, '');
  return inside.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

function alignmentOf(mark: string): Alignment | undefined {
  const [isLeft, isRight] = [mark.startsWith(':'), mark.endsWith(':')];
  if (isLeft && isRight) return 'center';
  return isRight ? 'right' : isLeft ? 'left' : undefined;
}
