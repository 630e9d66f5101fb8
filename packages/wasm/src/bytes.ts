/**
 * How WebAssembly writes things down: numbers in LEB128, seven bits to a byte and the eighth set if
 * more follow; lists behind their number, and what has a size behind that.
 */
export class Bytes {
  #array = new Uint8Array(1024);
  #length = 0;

  /** All that has been written. */
  all(): Uint8Array {
    return this.#array.slice(0, this.#length);
  }

  byte(value: number): this {
    if (this.#length === this.#array.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.#length] = value;
    this.#length += 1;
    return this;
  }

  bytes(values: Iterable<number>): this {
    for (const value of values) this.byte(value);
    return this;
  }

  /** An integer from 0 on. */
  unsigned(value: number): this {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
    return this.byte(rest);
  }

  /**
   * An integer of either sign: the last byte's bit 6 is repeated upwards. A number has up to 32
   * bits, a bigint any.
   */
  signed(value: number | bigint): this {
    if (typeof value === 'bigint' && value !== BigInt.asIntN(32, value)) {
      return this.byte(Number(value & 0x7fn) | 0x80).signed(value >> 7n);
    }
    let rest = Number(value);
    for (; rest < -0x40 || rest > 0x3f; rest >>= 7) this.byte((rest & 0x7f) | 0x80);
    return this.byte(rest & 0x7f);
  }

  /** Items behind their number. */
  list<Item>(items: readonly Item[], write: (item: Item, index: number) => void): this {
    this.unsigned(items.length);
    items.forEach(write);
    return this;
  }

  /** What `write` writes, behind its size. */
  sized(write: () => void): this {
    const start = this.#length;
    write();
    const end = this.#length;
    // The size is known last and stands first: it is written behind, and the two change places.
    this.unsigned(end - start);
    const size = this.#array.slice(end, this.#length);
    this.#array.copyWithin(start + size.length, start, end).set(size, start);
    return this;
  }

  /** A name in UTF-8, behind its size. */
  name(text: string): this {
    const escaped = encodeURIComponent(text).matchAll(/%(..)|./g);
    return this.sized(() => this.bytes(Array.from(escaped, ([character, hex]) => (
      hex === undefined ? character.charCodeAt(0) : parseInt(hex, 16)
    ))));
  }
}
