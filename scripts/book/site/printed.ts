/** What code has printed, below it: each text, and whether it is the one that the page says. */
import { element } from './elements.ts';

/** What a `console.log` should print, by its line. */
export interface Expected {
  readonly line: number;
  readonly text: string;
}

/** How a block ended: as the page says, otherwise, with an error, or stopped. */
export type State = 'same' | 'different' | 'failed' | 'stopped';

/** Of the rows that no page expects, so many are shown from the start, and as many from the end. */
const MOST_ROWS = 250;

const trimmed = (text: string): string => text.replaceAll(/[^\S\n]+$/gm, '');

/** The output of one block. */
export class Printed {
  readonly element = element('div', { class: 'printed', hidden: true });
  readonly #expected: readonly Expected[];
  /** What was printed by each line, put together, and where it is shown. */
  readonly #lines = new Map<number, { text: string; readonly row: HTMLElement }>();
  #firstRows = 0;
  readonly #lastRows: HTMLElement[] = [];
  #leftOut = 0;
  readonly #gap = element('p');

  constructor(expected: readonly Expected[]) {
    this.#expected = expected;
  }

  /** Shows a text that was printed by a line of the block; 0 if the line is not known. */
  add(line: number, text: string): void {
    const known = this.#lines.get(line);
    const isExpected = this.#expected.some((each) => each.line === line);
    if (known !== undefined && isExpected) {
      known.text += `\n${text}`;
      known.row.firstElementChild?.replaceChildren(known.text);
    } else {
      const row = element('div', { class: 'row' }, element('pre', {}, text));
      this.#lines.set(line, { text, row });
      this.#append(row);
      if (!isExpected) this.#limit(row);
    }
  }

  /** Leaves out rows in the middle when there are too many. */
  #limit(row: HTMLElement): void {
    if (this.#firstRows < MOST_ROWS) {
      this.#firstRows += 1;
      return;
    }
    this.#lastRows.push(row);
    if (this.#lastRows.length <= MOST_ROWS) return;
    this.leaveOut(1);
    this.#lastRows.shift()?.remove();
  }

  /** Says that texts were left out, or cut: they were more than can be shown. */
  leaveOut(count: number): void {
    if (this.#leftOut === 0) {
      const row = element('div', { class: 'row note' }, this.#gap);
      this.#append(row);
      this.#lastRows.at(0)?.before(row);
    }
    this.#leftOut += count;
    const texts = this.#leftOut === 1 ? 'One text is'
      : `${this.#leftOut.toLocaleString('en')} texts are`;
    this.#gap.textContent = `${texts} not shown here, or not whole.`;
  }

  /** Shows an error, with the line of code at which it was thrown. */
  fail(text: string, line: number, code: string): void {
    const source = code.split('\n')[line - 1]?.trim() ?? '';
    const row = element('div', { class: 'row failed', role: 'alert' });
    if (source !== '') row.append(element('p', {}, `Line ${line}: `, element('code', {}, source)));
    row.append(element('pre', {}, text));
    this.#append(row);
  }

  /** Compares what was printed with what was expected, once the block has run. */
  compare(): State {
    let state: State = 'same';
    for (const { line, text } of this.#expected) {
      const found = this.#lines.get(line);
      const isSame = trimmed(found?.text ?? '') === text;
      const row = found?.row ?? element('div', { class: 'row' }, element('pre', {}, 'nothing'));
      if (found === undefined) this.#append(row);
      row.classList.add(isSame ? 'same' : 'different');
      if (isSame) row.append(tick());
      else {
        state = 'different';
        row.append(element('p', {}, 'expected'), element('pre', {}, text));
      }
    }
    return state;
  }

  #append(row: HTMLElement): void {
    this.element.hidden = false;
    this.element.append(row);
  }
}

/** The mark of what was printed as expected. */
function tick(): HTMLElement {
  const attributes = {
    class: 'mark', title: 'as printed above', role: 'img', 'aria-label': 'as expected',
  };
  return element('span', attributes, '✓');
}
