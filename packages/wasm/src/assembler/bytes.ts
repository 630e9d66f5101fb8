/**
 * WebAssembly's binary encoding: numbers in LEB128, which puts seven bits into a byte and sets the
 * eighth if more bytes follow; lists after their length; sections and bodies after their size.
 */
export class Bytes {
  #bytes = empty;
  #length = 0;

  /** All bytes written so far. */
  all(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** The same, in memory that later writes may change. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Appends a byte, from 0 to 255. */
  byte(value: number): this {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  /** Appends bytes, each from 0 to 255. */
  push(...bytes: readonly number[]): this {
    return this.append(bytes);
  }

  /** Appends a list of bytes, each from 0 to 255. */
  append(bytes: ArrayLike<number>): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Makes room for some more bytes; doubles the array, so that most calls find it large enough. */
  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length, LEAST));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  /** Appends an integer that is not negative. */
  unsigned(value: number): this {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
    return this.byte(rest);
  }

  /**
   * Appends a signed integer: bit 6 of the last byte is its sign. A number has up to 32 bits, a
   * bigint any number of them.
   */
  signed(value: number | bigint): this {
    if (typeof value === 'bigint' && value !== BigInt.asIntN(32, value)) {
      return this.byte(Number(value & 0x7fn) | 0x80).signed(value >> 7n);
    }
    let rest = Number(value);
    for (; rest < -0x40 || rest > 0x3f; rest >>= 7) this.byte((rest & 0x7f) | 0x80);
    return this.byte(rest & 0x7f);
  }

  /** Appends a float of 32 bits, its lowest byte first. */
  f32(value: number): this {
    scratch.setFloat32(0, value, true);
    for (let i = 0; i < 4; i++) this.byte(scratch.getUint8(i));
    return this;
  }

  /** Appends a list: its length, and then each item. */
  list<Item>(items: readonly Item[], write: (item: Item, index: number) => void): this {
    this.unsigned(items.length);
    items.forEach(write);
    return this;
  }

  /** Appends what `write` writes, after its size in bytes. */
  sized(write: () => void): this {
    const start = this.#length;
    write();
    const size = this.#length - start;
    // The size goes where they begin, so they move up by as many bytes as it takes.
    this.unsigned(size);
    const width = this.#length - start - size;
    this.#bytes.copyWithin(start + width, start, start + size);
    this.#length = start;
    this.unsigned(size);
    this.#length += size;
    return this;
  }

  /** Appends a name in UTF-8, after its size in bytes. */
  name(text: string): this {
    // Text in which there is nothing to escape is its own UTF-8.
    const utf8 = /^[\0-\x7f]*$/.test(text) ? text : encodeURIComponent(text)
      .replaceAll(/%(..)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    this.unsigned(utf8.length);
    for (let i = 0; i < utf8.length; i++) this.byte(utf8.charCodeAt(i));
    return this;
  }
}

/** Of many bytes there are none, or few: arrays are made when something is written. */
const empty = new Uint8Array(0);
const LEAST = 64;

/** Floats are written as they are in memory, little-endian on every engine. */
const scratch = new DataView(new ArrayBuffer(4));
