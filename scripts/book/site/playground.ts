/**
 * The playground: an editor, a console below it, and curves. A link may bring code; it is shown,
 * and run only when the reader presses Run.
 */
import type { Message } from '../worker/messages.ts';
import { Charts } from './chart.ts';
import { Editor } from './editor.ts';
import { button, element, showRunning } from './elements.ts';
import { Printed } from './printed.ts';
import { loadCode, type Run, startRun } from './run.ts';
import { fromFragment, toFragment } from './share.ts';

interface StartProgram {
  readonly name: string;
  readonly title: string;
  readonly code: string;
}

/** Why a run has one thread, or that it has more. */
function threadsText(): string {
  if (globalThis.crossOriginIsolated) {
    const count = navigator.hardwareConcurrency;
    return `Threads: up to ${count}, as this page is cross-origin isolated.`;
  }
  const why = location.protocol === 'file:'
    ? 'was opened as a file; a server that isolates it, such as that of “npm run book”, gives more'
    : 'is not cross-origin isolated: its server would have to send two headers ' +
      '(Cross-Origin-Opener-Policy: same-origin, Cross-Origin-Embedder-Policy: require-corp)';
  return `Threads: one, as this page ${why}.`;
}

class Playground {
  readonly #programs: readonly StartProgram[];
  readonly #editor: Editor;
  readonly #choice: HTMLSelectElement;
  readonly #run: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  readonly #status = element('span', { class: 'status', role: 'status' });
  readonly #output = element('div', { class: 'console', role: 'log', 'aria-label': 'Console' });
  readonly #frame: HTMLElement;
  #running: Run | undefined;

  constructor(programs: readonly StartProgram[], place: HTMLElement) {
    this.#programs = programs;
    const options = programs.map(({ name, title }) => element('option', { value: name }, title));
    const own = element('option', { value: '', disabled: true }, 'your own program');
    const attributes = { 'aria-label': 'Start from', class: 'action' };
    this.#choice = element('select', attributes, ...options, own);
    this.#choice.addEventListener('change', () => this.#show(this.#choice.value));
    this.#run = button('Run', 'Run the program', () => this.#begin());
    this.#stop = button('Stop', 'Stop', () => this.#end('stopped'));
    this.#stop.hidden = true;
    const putBack = (): void => this.#show(this.#choice.value || programs[0].name);
    const reset = button('Reset', 'Put the program back', putBack);
    const share = button('Share', 'Put the code into the address', () => void this.#share());
    this.#editor = new Editor({
      label: 'Program', code: '', run: () => this.#begin(), change: () => undefined,
    });
    const actions = element('div', { class: 'actions' },
      this.#run, this.#stop, this.#choice, reset, share, this.#status);
    this.#frame = element('figure', { class: 'code' }, actions, this.#editor.element);
    place.append(this.#frame, element('p', { class: 'hint' },
      'Control+Enter runs. Tab indents; Escape, then Tab, leaves the editor. ', threadsText()),
    this.#output);
    void loadCode('packages').catch(() => undefined);
  }

  /** Shows the code of the address, or else the first program. */
  async open(): Promise<void> {
    try {
      const code = await fromFragment(location.hash);
      if (code === undefined) {
        this.#show(this.#programs[0].name);
        return;
      }
      this.#end();
      this.#choice.value = '';
      this.#editor.code = code;
      this.#status.textContent = 'This code came with the link. Read it before you run it.';
    } catch (error) {
      this.#show(this.#programs[0].name);
      const message = error instanceof Error ? error.message : String(error);
      this.#status.textContent = `The code of the link cannot be read: ${message}.`;
    }
  }

  #show(name: string): void {
    const program = this.#programs.find((each) => each.name === name);
    if (program === undefined) return;
    this.#end();
    this.#choice.value = name;
    this.#editor.code = program.code;
    this.#output.replaceChildren();
    this.#status.textContent = '';
  }

  async #share(): Promise<void> {
    const address = new URL(await toFragment(this.#editor.code), location.href).href;
    history.replaceState(null, '', address);
    try {
      await navigator.clipboard.writeText(address);
      this.#status.textContent = 'The link is copied.';
    } catch {
      this.#status.textContent = 'The link is in the address bar.';
    }
  }

  #begin(): void {
    this.#end();
    const [printed, charts] = [new Printed([]), new Charts()];
    this.#output.replaceChildren(charts.element, printed.element);
    this.#showRunning(true);
    this.#status.textContent = 'running …';
    const { code } = this.#editor;
    this.#running = startRun({ blocks: [{ line: 0, code }] }, (message) =>
      this.#take(message, printed, charts, code));
  }

  #take(message: Message, printed: Printed, charts: Charts, code: string): void {
    if (message.kind === 'print') printed.add(message.line, message.text);
    if (message.kind === 'draw') charts.add(message.name, message.values);
    if (message.kind === 'cut') printed.leaveOut(message.count);
    if (message.kind !== 'end') return;
    const { error, milliseconds } = message;
    if (error !== undefined) printed.fail(error.text, error.line, code);
    const time = `${(milliseconds / 1000).toFixed(milliseconds < 1000 ? 2 : 1)} s`;
    this.#end(error === undefined ? `done in ${time}` : `stopped by an error after ${time}`);
  }

  #end(status?: string): void {
    if (this.#running === undefined) return;
    this.#running.stop();
    this.#running = undefined;
    this.#showRunning(false);
    this.#status.textContent = status ?? '';
  }

  #showRunning(isRunning: boolean): void {
    showRunning(this.#frame, this.#run, this.#stop, isRunning);
  }
}

const place = document.getElementById('playground');
const text = document.getElementById('programs')?.textContent;
if (place !== null && text) {
  const playground = new Playground(JSON.parse(text) as StartProgram[], place);
  void playground.open();
  addEventListener('hashchange', () => void playground.open());
}
