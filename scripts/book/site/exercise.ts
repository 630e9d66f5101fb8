/**
 * The page of an exercise: an editor with the reader's answer, and a check that runs in a worker,
 * as all code of the site does. It says the same as `npm run exercise`.
 */
import type { Message } from '../worker/messages.ts';
import { Editor, showCode } from './editor.ts';
import { button, element, showRunning } from './elements.ts';
import { keepAnswer, keptAnswer, noteSolved } from './progress.ts';
import { Printed } from './printed.ts';
import { loadCode, type Run, startRun } from './run.ts';

interface ExerciseData {
  readonly name: string;
  readonly code: string;
  readonly solution: string;
  readonly hints: readonly string[];
}

/** How long the code may take for one input, in milliseconds. */
const MOST_TIME = 10_000;

/** What is said of code that gave no result. */
function hangingText(latest: Message & { kind: 'try' } | undefined): string {
  const start = 'Does a loop never end, or a function call itself without end?';
  if (latest === undefined) return start;
  const input = latest.input.split('\n').map((line) => `  ${line}`).join('\n');
  return `${start}\n\nIt was trying: ${latest.property}\non\n${input}`;
}

class ExercisePage {
  readonly #data: ExerciseData;
  readonly #editor: Editor;
  readonly #check: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  readonly #hint: HTMLButtonElement;
  readonly #status = element('span', { class: 'status', role: 'status' });
  readonly #report = element('div', { class: 'report', role: 'log', 'aria-label': 'Report' });
  readonly #hints = element('ol', { class: 'hints', 'aria-label': 'Hints' });
  readonly #figure: HTMLElement;
  #running: Run | undefined;
  #latest: Message & { kind: 'try' } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(data: ExerciseData, place: HTMLElement) {
    this.#data = data;
    this.#check = button('Check', 'Check the answer', () => this.#begin());
    this.#stop = button('Stop', 'Stop', () => this.#interrupt('stopped', 'Stopped. '));
    this.#stop.hidden = true;
    const reset = button('Reset', 'Put the original back', () => this.#reset());
    this.#hint = button('', '', () => this.#showHint());
    this.#nameHint();
    this.#editor = new Editor({
      label: 'Answer', code: keptAnswer(data.name) ?? data.code, run: () => this.#begin(),
      change: (code) => keepAnswer(data.name, code),
    });
    const actions = element('div', { class: 'actions' },
      this.#check, this.#stop, reset, this.#hint, this.#status);
    this.#figure = element('figure', { class: 'code' }, this.#editor.element, actions);
    place.append(this.#figure, element('p', { class: 'hint' },
      'Control+Enter checks. Tab indents; Escape, then Tab, leaves the editor. ',
      'This is JavaScript, without the types above. Your answer is kept in this browser.'),
    this.#report, this.#hints, this.#solution());
    for (const event of ['pointerenter', 'focus']) {
      this.#check.addEventListener(event, () => void loadCode('packages').catch(() => undefined));
    }
  }

  #reset(): void {
    const { name, code } = this.#data;
    const isChanged = this.#editor.code !== code;
    if (isChanged && !confirm('Replace your answer with the original?')) return;
    this.#end('');
    this.#editor.code = code;
    keepAnswer(name, undefined);
    this.#report.replaceChildren();
  }

  #nameHint(): void {
    const [given, all] = [this.#hints.childElementCount, this.#data.hints.length];
    this.#hint.hidden = given === all;
    this.#hint.textContent = `Hint ${given + 1} of ${all}`;
    this.#hint.setAttribute('aria-label', `Show hint ${given + 1} of ${all}`);
  }

  #showHint(): void {
    const text = this.#data.hints[this.#hints.childElementCount] ?? '';
    // What stands between backquotes is code.
    const parts =
      text.split('`').map((part, i) => (i % 2 === 0 ? part : element('code', {}, part)));
    const item = element('li', { tabindex: '-1' }, ...parts);
    this.#hints.append(item);
    this.#nameHint();
    item.focus();
  }

  /** The solution, folded; to see it the reader has to ask twice. */
  #solution(): HTMLElement {
    const code = element('code');
    const pre = element('pre', {}, code);
    const show = button('Show the solution', 'Show the solution', () => {
      showCode(code, this.#data.solution);
      show.replaceWith(element('figure', { class: 'code' }, pre));
    });
    return element('details', {}, element('summary', {}, 'Solution'),
      element('p', {}, 'Have you seen all hints? One solution of many: '), show);
  }

  #begin(): void {
    this.#end('');
    this.#latest = undefined;
    const printed = new Printed([]);
    this.#report.replaceChildren(printed.element);
    this.#showRunning(true);
    this.#status.textContent = 'loading …';
    const { code } = this.#editor;
    const job = { blocks: [{ line: 0, code }], exercise: this.#data.name };
    this.#running = startRun(job, (message) => this.#take(message, printed, code));
  }

  #take(message: Message, printed: Printed, code: string): void {
    if (message.kind === 'print') printed.add(message.line, message.text);
    if (message.kind === 'cut') printed.leaveOut(message.count);
    if (message.kind === 'enter' || message.kind === 'try') {
      this.#status.textContent = 'checking …';
      clearTimeout(this.#timer);
      const seconds = MOST_TIME / 1000;
      this.#timer = setTimeout(() =>
        this.#interrupt('stopped', `Your code took more than ${seconds} s. `), MOST_TIME);
    }
    if (message.kind === 'try') this.#latest = message;
    if (message.kind === 'check') this.#showReport(message);
    if (message.kind !== 'end') return;
    if (message.error !== undefined) {
      printed.fail(message.error.text, message.error.line, code);
      this.#end('stopped by an error');
    } else this.#end(this.#report.querySelector('.done') === null ? 'not yet' : 'solved');
  }

  #showReport({ text, isDone }: Message & { kind: 'check' }): void {
    // The title stands above.
    const shown = text.split('\n').slice(2).join('\n');
    this.#report.append(element('pre', { class: isDone ? 'done' : 'open' }, shown));
    if (isDone) noteSolved(this.#data.name);
  }

  /** Ends a check whose code does not. */
  #interrupt(status: string, why: string): void {
    if (this.#running === undefined) return;
    this.#report.append(element('pre', { class: 'open' }, why + hangingText(this.#latest)));
    this.#end(status);
  }

  #end(status: string): void {
    clearTimeout(this.#timer);
    this.#running?.stop();
    this.#running = undefined;
    this.#showRunning(false);
    this.#status.textContent = status;
  }

  #showRunning(isRunning: boolean): void {
    showRunning(this.#figure, this.#check, this.#stop, isRunning);
  }
}

const place = document.getElementById('exercise');
const text = document.getElementById('answer')?.textContent;
if (place !== null && text) new ExercisePage(JSON.parse(text) as ExerciseData, place);
