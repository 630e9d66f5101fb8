/**
 * A picture of dots in a terminal. A Braille character has two columns of four dots, so a text of
 * 80 by 20 characters shows 160 by 80 dots. Unicode numbers these characters by the dots that are
 * set, from U+2800 on:
 *
 *     1 4
 *     2 5      dot n sets bit n − 1; the lowest row came later, and has 7 and 8
 *     3 6
 *     7 8
 */

/** The bits of the dots, by column and row. */
const BITS = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
const EMPTY = 0x2800;

/** A text of dots, on which characters can be put as well. */
export class Canvas {
  /** The number of columns of dots. */
  readonly width: number;
  /** The number of rows of dots. */
  readonly height: number;
  readonly #columns: number;
  readonly #dots: Uint8Array;
  readonly #signs = new Map<number, string>();

  /** An empty picture of so many columns and rows of characters. */
  constructor(columns: number, rows: number) {
    [this.width, this.height] = [2 * columns, 4 * rows];
    this.#columns = columns;
    this.#dots = new Uint8Array(columns * rows);
  }

  /** Sets the dots from one to another, both counted from the upper left; they must lie inside. */
  line(fromX: number, fromY: number, toX: number, toY: number): void {
    const steps = Math.max(Math.abs(toX - fromX), Math.abs(toY - fromY), 1);
    for (let i = 0; i <= steps; i++) {
      const x = Math.round(fromX + ((toX - fromX) * i) / steps);
      const y = Math.round(fromY + ((toY - fromY) * i) / steps);
      this.#dots[this.#cell(x, y)] |= BITS[x % 2][y % 4];
    }
  }

  /** Puts a character at the place of a dot; it hides the dots of its cell. */
  sign(x: number, y: number, character: string): void {
    this.#signs.set(this.#cell(x, y), character);
  }

  /** The rows as text. */
  rows(): string[] {
    const cells = Array.from(this.#dots, (dots, i) =>
      this.#signs.get(i) ?? (dots === 0 ? ' ' : String.fromCharCode(EMPTY + dots)),
    );
    return Array.from({ length: this.height / 4 }, (_, row) =>
      cells.slice(row * this.#columns, (row + 1) * this.#columns).join(''),
    );
  }

  #cell(x: number, y: number): number {
    return Math.floor(y / 4) * this.#columns + Math.floor(x / 2);
  }
}
