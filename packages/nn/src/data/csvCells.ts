/**
 * The cells of a CSV text, by position. One pass over the text finds where each cell ends; nothing
 * is copied, and a cell takes four bytes until a column is made of it. The format is RFC 4180:
 *
 *     name,note            cells are separated, rows are lines
 *     Ann,"a, b"           a quoted cell may hold separators and line breaks,
 *     Bob,"say ""hi"""     and quotes, which are doubled
 *
 * Lines may end in \n, \r\n or \r. Empty lines are skipped.
 */
import { TensorError } from '@mambagrad/tensor';

const [QUOTE, RETURN, NEWLINE, BYTE_ORDER_MARK] = [0x22, 0x0d, 0x0a, 0xfeff];

/** The cells of a text: `rows` rows of `width` cells each. */
export class Cells {
  /** The text that the cells are in. */
  readonly text: string;
  /** Where the content of the cell begins that `find` went to. */
  start = 0;
  /** Where it ends. */
  end = 0;
  readonly #op: string;
  #isQuoted = false;
  #width = 0;
  #rows = 0;
  #count = 0;
  /** Where rows start. */
  #starts = new Uint32Array(64);
  /** Where cells end, row by row: at a separator, at the end of a line, or of the text. */
  #ends = new Uint32Array(256);

  /** Throws in the name of `op` if quotes are not closed or rows differ in length. */
  constructor(op: string, text: string, separator: string, comment: string | undefined) {
    this.text = text;
    this.#op = op;
    const code = separator.charCodeAt(0);
    let at = text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0;
    while (at < text.length) {
      const first = text.charCodeAt(at);
      const isEmpty = first === NEWLINE || first === RETURN;
      if (isEmpty) at += 1;
      else if (comment !== undefined && text.startsWith(comment, at)) at = this.#endOfLine(at);
      else at = this.#readRow(at, code);
    }
  }

  /** The number of cells in each row. */
  get width(): number {
    return this.#width;
  }

  /** The number of rows, the header among them. */
  get rows(): number {
    return this.#rows;
  }

  #endOfLine(from: number): number {
    let at = from;
    while (at < this.text.length && !isBreak(this.text.charCodeAt(at))) at += 1;
    return at;
  }

  /** Reads the row that starts at a position, and gives the position of its end. */
  #readRow(start: number, separator: number): number {
    const { text } = this;
    if (this.#rows === this.#starts.length) this.#starts = grown(this.#starts);
    this.#starts[this.#rows++] = start;
    const before = this.#count;
    let end = this.#endOfCell(start, separator);
    while (end < text.length && text.charCodeAt(end) === separator) {
      this.#add(end);
      end = this.#endOfCell(end + 1, separator);
    }
    this.#add(end);
    const width = this.#count - before;
    if (this.#rows === 1) this.#width = width;
    if (width !== this.#width) {
      throw this.error(this.#rows - 1, `has ${countOf(width)}, expected ${this.#width}`);
    }
    return end;
  }

  #add(end: number): void {
    if (this.#count === this.#ends.length) this.#ends = grown(this.#ends);
    this.#ends[this.#count++] = end;
  }

  #endOfCell(start: number, separator: number): number {
    const { text } = this;
    if (text.charCodeAt(start) === QUOTE) return this.#endOfQuoted(start, separator);
    let at = start;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === separator || code === NEWLINE || code === RETURN) break;
    }
    return at;
  }

  #endOfQuoted(start: number, separator: number): number {
    const { text } = this;
    let close = text.indexOf('"', start + 1);
    while (close >= 0 && text.charCodeAt(close + 1) === QUOTE) close = text.indexOf('"', close + 2);
    if (close < 0) throw this.#errorAt(start, 'the quote is never closed');
    const end = close + 1;
    const next = text.charCodeAt(end);
    if (end === text.length || next === separator || isBreak(next)) return end;
    const rest = JSON.stringify(text.slice(end, end + 10));
    throw this.#errorAt(end, `${rest} follows a closing quote; double the quotes within a cell`);
  }

  /** Goes to a cell: its content is the text from `start` to `end`. */
  find(row: number, column: number): void {
    const at = row * this.#width + column;
    const start = column === 0 ? this.#starts[row] : this.#ends[at - 1] + 1;
    const quotes = this.text.charCodeAt(start) === QUOTE ? 1 : 0;
    this.start = start + quotes;
    this.end = this.#ends[at] - quotes;
    this.#isQuoted = quotes > 0;
  }

  /** The content of the cell that `find` went to. */
  get content(): string {
    const content = this.text.slice(this.start, this.end);
    return this.#isQuoted ? content.replaceAll('""', '"') : content;
  }

  /** The content of a cell. */
  textOf(row: number, column: number): string {
    this.find(row, column);
    return this.content;
  }

  /** An error of a row, and of one of its columns if that is given; it names the line. */
  error(row: number, problem: string, column?: string): TensorError {
    const line = this.#lineOf(this.#starts[row]);
    const where = column === undefined ? `line ${line}` : `line ${line}, column '${column}':`;
    return new TensorError(`${this.#op}: ${where} ${problem}`);
  }

  #errorAt(at: number, problem: string): TensorError {
    const place = this.#count - (this.#rows - 1) * this.#width + 1;
    return new TensorError(`${this.#op}: line ${this.#lineOf(at)}, cell ${place}: ${problem}`);
  }

  /** The number of the line at a position, from 1. */
  #lineOf(at: number): number {
    return (this.text.slice(0, at).match(/\r\n|\r|\n/g)?.length ?? 0) + 1;
  }
}

function isBreak(code: number): boolean {
  return code === NEWLINE || code === RETURN;
}

function countOf(width: number): string {
  return width === 1 ? '1 cell' : `${width} cells`;
}

function grown(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * array.length);
  larger.set(array);
  return larger;
}
