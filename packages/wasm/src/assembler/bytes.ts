/**
 * WebAssembly's binary encoding: numbers in LEB128, which puts seven bits into a byte and sets the
 * eighth if more bytes follow; lists after their length; sections and bodies after their size.
 */
export class Bytes {
  readonly #bytes: number[] = [];

  /** All bytes written so far. */
  all(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }

  /** Appends bytes, each from 0 to 255. */
  push(...bytes: readonly number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  /** Appends integers that are not negative. */
  unsigned(...values: readonly number[]): this {
    for (let rest of values) {
      for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) this.#bytes.push((rest % 0x80) | 0x80);
      this.#bytes.push(rest);
    }
    return this;
  }

  /**
   * Appends a signed integer: bit 6 of the last byte is its sign. A number has up to 32 bits, a
   * bigint any number of them.
   */
  signed(value: number | bigint): this {
    if (typeof value === 'bigint' && value !== BigInt.asIntN(32, value)) {
      return this.push(Number(value & 0x7fn) | 0x80).signed(value >> 7n);
    }
    let rest = Number(value);
    for (; rest < -0x40 || rest > 0x3f; rest >>= 7) this.push((rest & 0x7f) | 0x80);
    return this.push(rest & 0x7f);
  }

  /** Appends a list: its length, and then each item. */
  list<Item>(items: readonly Item[], write: (item: Item, index: number) => void): this {
    this.unsigned(items.length);
    items.forEach(write);
    return this;
  }

  /** Appends what `write` writes, after its size in bytes. */
  sized(write: () => void): this {
    const start = this.#bytes.length;
    write();
    const size = new Bytes().unsigned(this.#bytes.length - start);
    this.#bytes.splice(start, 0, ...size.#bytes);
    return this;
  }

  /** Appends a name in UTF-8, after its size in bytes. */
  name(text: string): this {
    const bytes = Array.from(encodeURIComponent(text).matchAll(/%(..)|./g), ([character, hex]) => (
      hex === undefined ? character.charCodeAt(0) : parseInt(hex, 16)
    ));
    return this.unsigned(bytes.length).push(...bytes);
  }
}
