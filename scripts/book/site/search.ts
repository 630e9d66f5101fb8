/**
 * The search: a field with a list of results below it. The index is loaded when the field is first
 * used, as a script, since a page that was opened as a file can load nothing else.
 *
 *     /  goes to the field     ↑ ↓  go through the results     Enter  opens one     Escape  ends
 */
import {
  entriesOf, type Entry, type IndexedPage, marked, type Piece, type Result, search, wordsOf,
} from './ranking.ts';

declare global {
  // What the script assets/index.js sets.
  var mambagradIndex: readonly IndexedPage[] | undefined;
}

/** The most results that are shown. */
const MOST = 30;

/** Connects the field, the list, and the line that tells how many results there are. */
export function connectSearch(root: string): void {
  const [input, list, status] = ['search', 'results', 'found']
    .map((id) => document.getElementById(id));
  if (!(input instanceof HTMLInputElement) || list === null || status === null) return;
  new Search(root, input, list, status).connect();
}

class Search {
  readonly #root: string;
  readonly #input: HTMLInputElement;
  readonly #list: HTMLElement;
  readonly #status: HTMLElement;
  #entries: Promise<readonly Entry[]> | undefined;
  #options: readonly HTMLElement[] = [];
  #active = -1;

  constructor(root: string, input: HTMLInputElement, list: HTMLElement, status: HTMLElement) {
    [this.#root, this.#input, this.#list, this.#status] = [root, input, list, status];
  }

  connect(): void {
    const input = this.#input;
    input.addEventListener('focus', () => void this.#load());
    input.addEventListener('input', () => void this.#update());
    input.addEventListener('keydown', (event) => this.#onKey(event));
    document.addEventListener('keydown', (event) => {
      const isPlain = event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey;
      if (!isPlain || isTyping(event.target)) return;
      event.preventDefault();
      input.focus();
      input.select();
    });
    document.addEventListener('pointerdown', (event) => {
      const { target } = event;
      if (target instanceof Node && input.parentElement?.contains(target)) return;
      this.#close();
    });
    input.addEventListener('focus', () => void this.#update());
    // A result on this page only moves the page.
    this.#list.addEventListener('click', () => this.#close());
  }

  #load(): Promise<readonly Entry[]> {
    this.#entries ??= new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = `${this.#root}assets/index.js`;
      script.onload = () => resolve(entriesOf(globalThis.mambagradIndex ?? []));
      script.onerror = () => {
        this.#entries = undefined;
        reject(new Error('the index could not be loaded'));
      };
      document.head.append(script);
    });
    return this.#entries;
  }

  async #update(): Promise<void> {
    const query = this.#input.value;
    if (query.trim() === '') return this.#close();
    try {
      const entries = await this.#load();
      // More may have been typed while the index was on its way.
      if (query === this.#input.value) this.#show(search(entries, query, MOST), wordsOf(query));
    } catch {
      this.#showNote('The index of the search could not be loaded.');
    }
  }

  #show(results: readonly Result[], words: readonly string[]): void {
    this.#options = results.map((result, i) => this.#option(result, words, i));
    if (results.length === 0) {
      this.#showNote('Nothing found. Fewer or shorter words find more.');
      return;
    }
    this.#open(this.#options);
    const count = results.length === MOST ? `${MOST} or more` : String(results.length);
    this.#status.textContent = `${count} ${results.length === 1 ? 'result' : 'results'}`;
    this.#activate(0);
  }

  #showNote(text: string): void {
    this.#options = [];
    const note = document.createElement('p');
    note.textContent = text;
    this.#open([note]);
    this.#status.textContent = text;
    this.#activate(-1);
  }

  #open(items: readonly HTMLElement[]): void {
    this.#list.replaceChildren(...items);
    this.#list.hidden = false;
    this.#list.scrollTop = 0;
    this.#input.setAttribute('aria-expanded', 'true');
  }

  #option({ entry, excerpt }: Result, words: readonly string[], index: number): HTMLElement {
    const { heading, title, address } = entry;
    const option = document.createElement('a');
    option.href = this.#root + address;
    option.id = `result-${index}`;
    option.role = 'option';
    option.tabIndex = -1;
    option.append(line('heading', marked(heading, words)));
    if (heading !== title) option.append(line('page', marked(title, [])));
    if (excerpt.length > 0) option.append(line('excerpt', excerpt));
    return option;
  }

  #onKey(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const count = this.#options.length;
    if (event.key === 'ArrowDown' && count > 0) this.#activate((this.#active + 1) % count);
    else if (event.key === 'ArrowUp' && count > 0) {
      this.#activate((this.#active + count - 1) % count);
    } else if (event.key === 'Enter') this.#options[this.#active]?.click();
    else if (event.key === 'Escape') {
      if (this.#list.hidden) this.#input.blur();
      this.#input.value = '';
      this.#close();
    } else return;
    event.preventDefault();
  }

  #activate(index: number): void {
    this.#active = index;
    this.#options.forEach((option, i) => option.setAttribute('aria-selected', String(i === index)));
    const option = this.#options[index];
    option?.scrollIntoView({ block: 'nearest' });
    if (option === undefined) this.#input.removeAttribute('aria-activedescendant');
    else this.#input.setAttribute('aria-activedescendant', option.id);
  }

  #close(): void {
    this.#options = [];
    this.#list.hidden = true;
    this.#list.replaceChildren();
    this.#status.textContent = '';
    this.#input.setAttribute('aria-expanded', 'false');
    this.#activate(-1);
  }
}

/** A line of a result, with what was looked for marked. */
function line(name: string, pieces: readonly Piece[]): HTMLElement {
  const element = document.createElement('span');
  element.className = name;
  element.append(...pieces.map(({ text, isMatch }) => {
    if (!isMatch) return text;
    const mark = document.createElement('mark');
    mark.textContent = text;
    return mark;
  }));
  return element;
}

/** Whether keys go into a text. */
function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement &&
    (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}
