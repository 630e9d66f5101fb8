/**
 * An editor of code: a text area, and below it the same text in colours, at the same places. Tab
 * indents; after Escape it leads on, so that the keyboard is not caught.
 */
import { tokenClasses, tokensOf } from '../../bundle/tokens.ts';
import { element } from './elements.ts';

/** Puts code into an element, in colours. */
export function showCode(target: HTMLElement, code: string): void {
  const parts = tokensOf(code).map(({ kind, text }) => {
    const name = tokenClasses[kind];
    return name === undefined ? text : element('b', { class: name }, text);
  });
  target.replaceChildren(...parts);
}

export interface EditorOptions {
  readonly label: string;
  readonly code: string;
  /** Called with the code after each change. */
  readonly change: (code: string) => void;
  /** Called for Control+Enter. */
  readonly run: () => void;
}

export class Editor {
  readonly element: HTMLElement;
  readonly #area: HTMLTextAreaElement;
  readonly #shown = element('code');
  /** Whether Tab leads on, as Escape was pressed. */
  #isLeaving = false;

  constructor({ label, code, change, run }: EditorOptions) {
    this.#area = element('textarea', {
      'aria-label': label, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off',
      wrap: 'off',
    });
    this.element = element('div', { class: 'editor' },
      element('pre', { 'aria-hidden': 'true' }, this.#shown), this.#area);
    this.#area.addEventListener('input', () => {
      this.#paint();
      change(this.code);
    });
    this.#area.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        run();
      } else if (event.key === 'Tab' && !event.ctrlKey && !event.altKey && !this.#isLeaving) {
        event.preventDefault();
        this.#indent(event.shiftKey);
      }
      this.#isLeaving = event.key === 'Escape' || (this.#isLeaving && /Tab|Shift/.test(event.key));
    });
    this.#area.addEventListener('blur', () => { this.#isLeaving = false; });
    this.code = code;
  }

  get code(): string {
    return this.#area.value;
  }

  set code(code: string) {
    this.#area.value = code;
    // At the start, so that the editor is not scrolled to the end of the last line.
    this.#area.setSelectionRange(0, 0);
    this.#paint();
  }

  focus(): void {
    this.#area.focus();
  }

  #paint(): void {
    // The last line has its height, even if it is empty.
    showCode(this.#shown, `${this.code}\n`);
  }

  /** Two spaces at the cursor, or before each line that is selected; or as many less. */
  #indent(isLess: boolean): void {
    const { selectionStart: start, selectionEnd: end, value } = this.#area;
    if (start === end && !isLess) this.#replace(start, end, '  ');
    else {
      const first = value.lastIndexOf('\n', start - 1) + 1;
      const lines = value.slice(first, end);
      const moved = isLess ? lines.replaceAll(/^ {1,2}/gm, '') : lines.replaceAll(/^/gm, '  ');
      this.#replace(first, end, moved);
      const last = first + moved.length;
      this.#area.setSelectionRange(start === end ? last : first, last);
    }
  }

  /** Replaces text in the way of typing, which can be undone. */
  #replace(start: number, end: number, text: string): void {
    this.#area.setSelectionRange(start, end);
    const isDone = text === ''
      ? document.execCommand('delete') : document.execCommand('insertText', false, text);
    if (isDone) return;
    this.#area.setRangeText(text, start, end, 'end');
    this.#area.dispatchEvent(new Event('input'));
  }
}
