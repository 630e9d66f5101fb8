/**
 * The code of a page, which runs where it is read. A block's button runs the blocks of the page up
 * to it, in order, and shows below each what it printed, beside what the page says. Code can be
 * changed in place, and put back.
 */
import type { Message } from '../worker/messages.ts';
import { Editor } from './editor.ts';
import { button, element, showRunning } from './elements.ts';
import { type Expected, Printed, type State } from './printed.ts';
import { loadCode, type Run, startRun } from './run.ts';

interface BlockData {
  readonly line: number;
  readonly code: string;
  readonly expected: readonly Expected[];
}

/** A block of the page, with all that belongs to it. */
class Block {
  readonly data: BlockData;
  readonly figure: HTMLElement;
  readonly status = element('span', { class: 'status', role: 'status' });
  readonly #pre: HTMLElement | null;
  readonly #buttons: Readonly<Record<'run' | 'stop' | 'edit' | 'reset', HTMLButtonElement>>;
  #editor: Editor | undefined;
  #printed: Printed | undefined;

  constructor(data: BlockData, figure: HTMLElement, page: RunningPage) {
    this.data = data;
    this.figure = figure;
    this.#pre = figure.querySelector('pre');
    const number = `block ${page.blocks.length + 1}`;
    this.#buttons = {
      run: button('Run', `Run the code up to ${number}`, () => page.run(this)),
      stop: button('Stop', 'Stop', () => page.stop()),
      edit: button('Edit', `Edit ${number}`, () => this.#edit(page)),
      reset: button('Reset', `Put ${number} back`, () => this.#reset(page)),
    };
    const { run, stop, edit, reset } = this.#buttons;
    run.addEventListener('pointerenter', () => void loadCode('packages').catch(() => undefined));
    run.addEventListener('focus', () => void loadCode('packages').catch(() => undefined));
    [stop.hidden, reset.hidden] = [true, true];
    figure.append(element('div', { class: 'actions' }, run, stop, edit, reset, this.status));
  }

  get code(): string {
    return this.#editor?.code ?? this.data.code;
  }

  get isChanged(): boolean {
    return this.code !== this.data.code;
  }

  /** The output of a new run. */
  begin(): void {
    this.clear();
    // What code prints that was changed is not on the page.
    this.#printed = new Printed(this.isChanged ? [] : this.data.expected);
    this.figure.append(this.#printed.element);
  }

  clear(): void {
    this.#printed?.element.remove();
    this.#printed = undefined;
    this.status.textContent = '';
    delete this.figure.dataset['state'];
  }

  print(line: number, text: string): void {
    this.#printed?.add(line, text);
  }

  fail(line: number, text: string): void {
    this.#printed?.fail(text, line, this.code);
    this.finish('failed');
  }

  leaveOut(count: number): void {
    this.#printed?.leaveOut(count);
  }

  finish(state?: State): void {
    if (this.#printed === undefined || this.figure.dataset['state'] !== undefined) return;
    this.figure.dataset['state'] = state ?? this.#printed.compare();
  }

  showRunning(isRunning: boolean): void {
    const { run, stop } = this.#buttons;
    showRunning(this.figure, run, stop, isRunning);
  }

  #edit(page: RunningPage): void {
    const { edit, reset } = this.#buttons;
    this.#editor = new Editor({
      label: 'Code', code: this.data.code, run: () => page.run(this),
      change: () => { this.status.textContent = this.isChanged ? 'changed' : ''; },
    });
    const hint = element('p', { class: 'hint' },
      'Control+Enter runs. Tab indents; Escape, then Tab, leaves the editor.');
    if (page.isFirstEdit) {
      hint.prepend('This is JavaScript: the types were erased when the page was made. ');
    }
    page.isFirstEdit = false;
    this.#pre?.replaceWith(this.#editor.element);
    this.#editor.element.after(hint);
    [edit.hidden, reset.hidden] = [true, false];
    this.#editor.focus();
  }

  #reset(page: RunningPage): void {
    page.stop();
    const { edit, reset } = this.#buttons;
    this.#editor?.element.nextElementSibling?.remove();
    if (this.#pre !== null) this.#editor?.element.replaceWith(this.#pre);
    this.#editor = undefined;
    [edit.hidden, reset.hidden] = [false, true];
    this.clear();
    edit.focus();
  }
}

/** The blocks of the page, of which one run at a time is going on. */
class RunningPage {
  readonly blocks: Block[] = [];
  isFirstEdit = true;
  #run: Run | undefined;
  #end: (() => void) | undefined;

  run(last: Block): void {
    this.stop();
    const blocks = this.blocks.slice(0, this.blocks.indexOf(last) + 1);
    for (const block of this.blocks) block.clear();
    for (const block of blocks) block.begin();
    last.showRunning(true);
    last.status.textContent = 'starting …';
    let current = blocks[0];
    this.#end = () => {
      this.#run = undefined;
      this.#end = undefined;
      last.showRunning(false);
    };
    const job = { blocks: blocks.map(({ data, code }) => ({ line: data.line, code })) };
    this.#run = startRun(job, (message) => {
      if (message.kind === 'enter') {
        const next = blocks.find(({ data }) => data.line === message.line) ?? current;
        // The block before has ended, so what it printed can be compared.
        if (next !== current) current.finish();
        current = next;
        last.status.textContent = blocks.length === 1
          ? 'running …' : `running block ${this.blocks.indexOf(current) + 1} of ${blocks.length} …`;
      } else this.#take(message, blocks, current, last);
    });
  }

  /** Ends the run that is going on, if there is one. */
  stop(): void {
    if (this.#run === undefined) return;
    this.#run.stop();
    this.#end?.();
    for (const block of this.blocks) {
      if (block.figure.dataset['state'] === undefined) block.finish('stopped');
    }
    for (const block of this.blocks) {
      if (block.status.textContent?.endsWith('…')) block.status.textContent = 'stopped';
    }
  }

  #take(message: Message, blocks: readonly Block[], current: Block, last: Block): void {
    const blockAt = (line: number): Block =>
      blocks.findLast(({ data }) => line > data.line) ?? current;
    if (message.kind === 'print') {
      const block = message.line === 0 ? current : blockAt(message.line);
      block.print(message.line - block.data.line, message.text);
    }
    if (message.kind === 'cut') current.leaveOut(message.count);
    if (message.kind !== 'end') return;
    const { error, milliseconds } = message;
    this.#end?.();
    if (error !== undefined) {
      const block = error.line > 0 ? blockAt(error.line) : current;
      block.fail(error.line > 0 ? error.line - block.data.line : 0, error.text);
    } else for (const block of blocks) block.finish();
    const states = blocks.map(({ figure }) => figure.dataset['state']);
    const different = states.filter((state) => state === 'different').length;
    const time = durationText(milliseconds);
    last.status.textContent = error !== undefined
      ? `stopped by an error after ${time}`
      : `done in ${time}${differenceText(different)}`;
  }
}

function durationText(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.ceil(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** How many blocks printed something else than the page says. */
function differenceText(count: number): string {
  if (count === 0) return '';
  return `; ${count === 1 ? 'one block prints' : `${count} blocks print`} something else`;
}

/** Connects the blocks of the page with their code. */
export function connectBlocks(): void {
  const text = document.getElementById('program')?.textContent;
  if (!text) return;
  const { blocks } = JSON.parse(text) as { blocks: readonly BlockData[] };
  const page = new RunningPage();
  for (const figure of document.querySelectorAll<HTMLElement>('figure[data-block]')) {
    const data = blocks[Number(figure.dataset['block'])];
    if (data !== undefined) page.blocks.push(new Block(data, figure, page));
  }
}
