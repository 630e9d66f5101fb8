/**
 * How WebAssembly writes things down: numbers in LEB128, seven bits to a byte and the eighth set if
 * more follow; lists behind their number, and what has a size behind that.
 */
export class Bytes {
  readonly #bytes: number[] = [];

  /** All that has been written. */
  all(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }

  /** Bytes as they are, each from 0 to 255. */
  push(...bytes: readonly number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  /** Integers from 0 on. */
  unsigned(...values: readonly number[]): this {
    for (let rest of values) {
      for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) this.#bytes.push((rest % 0x80) | 0x80);
      this.#bytes.push(rest);
    }
    return this;
  }

  /**
   * An integer of either sign: the last byte's bit 6 is repeated upwards. A number has up to 32
   * bits, a bigint any.
   */
  signed(value: number | bigint): this {
    if (typeof value === 'bigint' && value !== BigInt.asIntN(32, value)) {
      return this.push(Number(value & 0x7fn) | 0x80).signed(value >> 7n);
    }
    let rest = Number(value);
    for (; rest < -0x40 || rest > 0x3f; rest >>= 7) this.push((rest & 0x7f) | 0x80);
    return this.push(rest & 0x7f);
  }

  /** Items behind their number. */
  list<Item>(items: readonly Item[], write: (item: Item, index: number) => void): this {
    this.unsigned(items.length);
    items.forEach(write);
    return this;
  }

  /** What `write` writes, behind its size. */
  sized(write: () => void): this {
    const start = this.#bytes.length;
    write();
    const size = new Bytes().unsigned(this.#bytes.length - start);
    this.#bytes.splice(start, 0, ...size.#bytes);
    return this;
  }

  /** A name in UTF-8, behind its size. */
  name(text: string): this {
    const bytes = Array.from(encodeURIComponent(text).matchAll(/%(..)|./g), ([character, hex]) => (
      hex === undefined ? character.charCodeAt(0) : parseInt(hex, 16)
    ));
    return this.unsigned(bytes.length).push(...bytes);
  }
}
