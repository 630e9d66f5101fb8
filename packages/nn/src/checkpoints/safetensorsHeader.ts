/**
 * The header of a safetensors file uses a small part of JSON: objects with known fields, lists of
 * sizes, and strings. A recursive descent parser for that part detects a name that appears twice,
 * which `JSON.parse` hides, and limits the depth of unknown fields, which it skips:
 *
 *     object = '{' [string ':' value {',' string ':' value}] '}'
 *     sizes = '[' [number {',' number}] ']'
 */
import { TensorError } from '@mambagrad/tensor';

/** The maximum number of axes; NumPy's limit. */
const MOST_AXES = 64;
/** The maximum depth of nested lists and objects, as in the reference implementation. */
const DEEPEST = 127;
const NUMBER_OR_WORD = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null/y;

/** Declared here, as the packages are compiled without the types of browsers and Node. */
const { TextDecoder, TextEncoder } = globalThis as unknown as {
  TextDecoder: new (label: string, options: object) => { decode(bytes: ArrayBuffer): string };
  TextEncoder: new () => { encode(text: string): Uint8Array };
};

export const encodeText = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A string from a file as error messages show it, shortened if necessary. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function attempt<T>(step: () => T, problem: string): T {
  try {
    return step();
  } catch (cause) {
    throw new TensorError(`safetensors: ${problem}`, { cause });
  }
}

/** Reads the text of a header from its beginning to its end. */
export class HeaderScanner {
  readonly #text: string;
  #offset = 0;

  constructor(bytes: ArrayBuffer) {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    this.#text = attempt(() => decoder.decode(bytes), 'the header is not UTF-8');
  }

  /**
   * Reads an object: calls `field`, which must read the value, with each name. Names in `unique`
   * may not appear twice.
   */
  object(unique: readonly string[], field: (name: string) => void): void {
    const names = new Set<string>();
    this.#list('{', '}', () => {
      const name = this.string();
      const isTwice = names.has(name) && unique.includes(name);
      if (isTwice) throw new TensorError(`safetensors: ${quote(name)} appears twice`);
      names.add(name);
      this.#expect(':');
      field(name);
    });
  }

  /** Reads `null`, if it is next; returns whether it was. */
  null(): boolean {
    const isNext = this.#text.startsWith('null', this.#offset);
    if (isNext) this.#advance(4);
    return isNext;
  }

  /** Skips a value of any kind. `depth` counts the lists and objects around it. */
  skip(depth = 2): void {
    const first = this.#text.charAt(this.#offset);
    if (depth >= DEEPEST && /[[{]/.test(first)) throw this.#error('less depth');
    if (first === '{') this.object([], () => this.skip(depth + 1));
    else if (first === '[') this.#list('[', ']', () => this.skip(depth + 1));
    else if (first === '"') this.string();
    else {
      NUMBER_OR_WORD.lastIndex = this.#offset;
      const found = NUMBER_OR_WORD.exec(this.#text)?.[0];
      if (found === undefined || /\d/.test(found) && !Number.isFinite(Number(found))) {
        throw this.#error('a value');
      }
      this.#advance(found.length);
    }
  }

  /** Reads a list of whole numbers. */
  sizes(): number[] {
    const sizes: number[] = [];
    this.#list('[', ']', () => {
      const size = Number.parseInt(this.#text.slice(this.#offset, this.#offset + 17), 10);
      const isWritten = this.#text.startsWith(`${Math.abs(size)}`, this.#offset);
      if (!Number.isSafeInteger(size) || !isWritten) {
        throw this.#error('a whole number from 0 to 2^53 - 1');
      }
      if (sizes.push(size) > MOST_AXES) throw this.#error(`at most ${MOST_AXES} sizes`);
      this.#advance(`${size}`.length);
    });
    return sizes;
  }

  /** Reads a string. */
  string(): string {
    const [text, start] = [this.#text, this.#offset];
    if (text[start] !== '"') throw this.#error('a string');
    let end = start + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
    const problem = `the string at character ${start} of the header is malformed`;
    const value = attempt(() => JSON.parse(text.slice(start, end + 1)) as string, problem);
    // A lone surrogate, half of a character, can be escaped in JSON but not written as UTF-8.
    if (/\p{Surrogate}/u.test(value)) throw new TensorError(`safetensors: ${problem}`);
    this.#advance(end + 1 - start);
    return value;
  }

  /** Throws unless the whole text has been read. */
  end(): void {
    if (this.#offset < this.#text.length) throw this.#error('the end');
  }

  #list(open: string, close: string, item: () => void): void {
    this.#expect(open);
    if (this.#accept(close)) return;
    do item();
    while (this.#accept(','));
    this.#expect(close);
  }

  #expect(character: string): void {
    if (!this.#accept(character)) throw this.#error(character);
  }

  #accept(character: string): boolean {
    const isNext = this.#text[this.#offset] === character;
    if (isNext) this.#advance(1);
    return isNext;
  }

  /** Moves past a token and the white space after it. */
  #advance(length: number): void {
    this.#offset += length;
    while (/[ \t\n\r]/.test(this.#text.charAt(this.#offset))) this.#offset += 1;
  }

  #error(expected: string): TensorError {
    const found = `found ${quote(this.#text.charAt(this.#offset))} at character ${this.#offset}`;
    return new TensorError(`safetensors: expected ${expected}, ${found} of the header`);
  }
}
