/** The table of what was tried: a row each, with its result, and why others were left out. */
import type { Outcome } from './command.ts';

interface Row {
  readonly cells: readonly [what: string, by: string, how: string];
  readonly result: string;
}

/** Rows are printed as they come, and again as a table. */
export class Table {
  readonly #rows: Row[] = [];
  /** What the first program printed that says the same on all engines. */
  #answer: string | undefined;
  /** The number of rows that failed. */
  failures = 0;

  /**
   * Tries something, and adds its row. With `isSame`, the output must be that of the first such
   * row: the bits of a model, which are the same on all engines.
   */
  async row(
    what: string, by: string, how: string, attempt: () => Promise<Outcome>, isSame = false,
  ): Promise<void> {
    const outcome = await attempt().catch((error: unknown): Outcome => (
      { code: 1, output: error instanceof Error ? error.message : String(error), seconds: 0 }
    ));
    const output = outcome.output.trim();
    if (outcome.code === 0 && isSame) this.#answer ??= output;
    const isOther = outcome.code === 0 && isSame && output !== this.#answer;
    const isRight = outcome.code === 0 && !isOther;
    if (!isRight) this.failures += 1;
    const seconds = `${outcome.seconds.toFixed(1)} s`;
    const bits = isSame ? ', same bits' : '';
    this.#add([what, by, how], isRight ? `ok${bits}, ${seconds}` : 'FAILED');
    if (!isRight) console.log(isOther ? `it says ${output}, not ${this.#answer}` : output);
  }

  /** Adds a row for what could not be tried. */
  leaveOut(what: string, by: string, why: string): void {
    this.#add([what, by, ''], `left out: ${why}`);
  }

  #add(cells: Row['cells'], result: string): void {
    this.#rows.push({ cells, result });
    console.log([...cells.filter((cell) => cell !== ''), result].join(' · '));
  }

  print(): void {
    const widths =
      [0, 1, 2].map((i) => Math.max(...this.#rows.map(({ cells }) => cells[i].length)));
    console.log('');
    for (const { cells, result } of this.#rows) {
      console.log([...cells.map((cell, i) => cell.padEnd(widths[i])), result].join('  '));
    }
    const count = (start: string) =>
      this.#rows.filter((row) => row.result.startsWith(start)).length;
    console.log(`\n${count('ok')} ok, ${this.failures} failed, ${count('left out')} left out`);
  }
}
