/**
 * Pictures that can be changed. A picture of the pages that has controls (scripts/pictures) gets
 * them when it comes near the window (pictures.ts). It stays as it is until one of them is moved.
 * Then the packages are loaded, and a worker draws the picture again, by the code that drew it for
 * the page. Without scripts the picture is a picture.
 */
import { type Control, controls, type Settings } from '../../pictures/src/controls.ts';
import type { Drawing, PieceJob } from '../worker/messages.ts';
import { button, element } from './elements.ts';
import { drawingParts } from './parts.ts';
import { nameOf, type PieceScript } from './pictures.ts';
import { codeOf, loadCode } from './run.ts';

/** The status while a picture is drawn that takes long. */
const DRAWING = 'drawing …';

/** Draws for all pieces of a page, one after the other. */
class DrawingWorker {
  #worker: Promise<Worker> | undefined;
  readonly #waiting = new Map<number, (drawing: Drawing) => void>();
  #count = 0;

  /** Begins to load what drawing needs. */
  prepare(): void {
    this.#worker ??= this.#start().catch((error: unknown) => {
      this.#worker = undefined;
      throw error;
    });
    this.#worker.catch(() => undefined);
  }

  async draw(name: string, settings: Settings): Promise<string> {
    this.prepare();
    const worker = await this.#worker;
    const id = this.#count++;
    const answer = new Promise<Drawing>((resolve) => this.#waiting.set(id, resolve));
    worker?.postMessage({ id, name, settings } satisfies PieceJob);
    const { svg, error = 'nothing was drawn' } = await answer;
    if (svg === undefined) throw new Error(error);
    return svg;
  }

  async #start(): Promise<Worker> {
    await Promise.all(drawingParts.map(loadCode));
    const code = ['(() => {', ...drawingParts.map(codeOf), 'servePieces();\n})();'];
    const address = URL.createObjectURL(new Blob(code, { type: 'text/javascript' }));
    const worker = new Worker(address);
    worker.addEventListener('message', ({ data }: MessageEvent<Drawing>) => {
      this.#waiting.get(data.id)?.(data);
      this.#waiting.delete(data.id);
    });
    worker.addEventListener('error', ({ message }) => this.#fail(message));
    return worker;
  }

  /** Ends all that is waited for. */
  #fail(error: string): void {
    for (const [id, answer] of this.#waiting) answer({ id, error });
    this.#waiting.clear();
  }
}

/** A picture with its controls. */
class Piece {
  readonly #name: string;
  readonly #image: HTMLImageElement;
  readonly #first: Readonly<Record<'src' | 'alt', string>>;
  readonly #worker: DrawingWorker;
  readonly #fields: readonly Field[];
  readonly #status = element('p', { class: 'status', role: 'status' });
  #isDrawing = false;
  /** Whether a control was moved while the picture was drawn. */
  #isStale = false;
  /** How often the picture was put back: what was asked for before is shown no more. */
  #resets = 0;

  constructor(name: string, image: HTMLImageElement, worker: DrawingWorker) {
    this.#name = name;
    this.#image = image;
    this.#first = { src: image.src, alt: image.alt };
    this.#worker = worker;
    const changed = (): void => void this.#draw();
    const own: Readonly<Record<string, Control>> = controls[name as keyof typeof controls];
    this.#fields = Object.entries(own).map(([key, control]) => new Field(key, control, changed));
    const reset = button('Reset', 'Put the picture back', () => this.#reset());
    const form = element('form', { class: 'controls', 'aria-label': 'Controls of the picture' },
      ...this.#fields.map((field) => field.element), reset, this.#status);
    form.addEventListener('submit', (event) => event.preventDefault());
    for (const event of ['pointerenter', 'focusin']) {
      form.addEventListener(event, () => worker.prepare(), { once: true });
    }
    const figure = element('figure', { class: 'piece', 'data-piece': name }, form);
    const around = image.parentElement;
    if (around?.tagName === 'P' && around.childNodes.length === 1) around.replaceWith(figure);
    else image.replaceWith(figure);
    // Below the controls, which then stay in place when the picture grows.
    figure.append(image);
  }

  #settings(): Settings {
    return Object.fromEntries(this.#fields.map(({ key, value }) => [key, value]));
  }

  #reset(): void {
    for (const field of this.#fields) field.reset();
    this.#resets++;
    this.#status.textContent = '';
    Object.assign(this.#image, this.#first);
  }

  /** Draws what the controls say; if they say something else by then, draws again. */
  async #draw(): Promise<void> {
    this.#isStale = true;
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    const late = setTimeout(() => { this.#status.textContent = DRAWING; }, 400);
    while (this.#isStale) {
      this.#isStale = false;
      await this.#drawOnce();
      await new Promise((resolve) => requestAnimationFrame(resolve));
      for (const field of this.#fields) field.play();
    }
    clearTimeout(late);
    // It may have been set when the last picture was there already.
    if (this.#status.textContent === DRAWING) this.#status.textContent = '';
    this.#isDrawing = false;
  }

  async #drawOnce(): Promise<void> {
    const resets = this.#resets;
    this.#status.classList.remove('failed');
    try {
      const svg = await this.#worker.draw(this.#name, this.#settings());
      if (resets < this.#resets) return;
      this.#image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
      this.#image.alt = textIn(svg);
      await this.#image.decode().catch(() => undefined);
      this.#status.textContent = '';
    } catch (error) {
      for (const field of this.#fields) field.stop();
      this.#status.textContent = error instanceof Error ? error.message : String(error);
      this.#status.classList.add('failed');
    }
  }
}

/** What a picture says of itself. */
function textIn(svg: string): string {
  // Its style is for the image; the policy of the page would refuse it even here.
  const plain = svg.replace(/<style>[^]*?<\/style>/, '');
  const parsed = new DOMParser().parseFromString(plain, 'image/svg+xml');
  return ['title', 'desc'].map((name) => parsed.querySelector(name)?.textContent ?? '').join('. ');
}

/** A control, with its label and its value. */
class Field {
  readonly key: string;
  readonly element: HTMLElement;
  readonly #control: Control;
  readonly #input: HTMLInputElement | HTMLSelectElement;
  readonly #shown = element('output');
  readonly #changed: () => void;
  #play: HTMLButtonElement | undefined;
  /** While it plays, the value with what a slider cannot show of it. */
  #playing: number | undefined;

  constructor(key: string, control: Control, changed: () => void) {
    [this.key, this.#control, this.#changed] = [key, control, changed];
    this.#input = inputOf(control);
    const label = element('label', { class: `control ${control.kind}` });
    const name = element('span', {}, control.label);
    if (control.kind === 'check') label.append(this.#input, name);
    else label.append(name, this.#input);
    if (control.kind === 'range') label.append(this.#shown);
    this.#input.addEventListener('input', () => {
      this.stop();
      this.#show();
      changed();
    });
    this.element = label;
    if (control.kind === 'range' && control.plays !== undefined) {
      this.#play = button('Play', `Play: ${control.label}`, () => this.#togglePlay(control));
      this.element = element('div', { class: 'playing' }, label, this.#play);
    }
    this.reset();
  }

  get value(): number | string | boolean {
    if (this.#control.kind === 'range') return Number(this.#input.value);
    if (this.#control.kind !== 'check') return this.#input.value;
    return (this.#input as HTMLInputElement).checked;
  }

  reset(): void {
    this.stop();
    const { value } = this.#control;
    if (typeof value === 'boolean') (this.#input as HTMLInputElement).checked = value;
    else this.#input.value = String(value);
    this.#show();
  }

  /** One moment more, if it plays; at the end it stops. */
  play(): void {
    const control = this.#control;
    if (this.#playing === undefined || control.kind !== 'range') return;
    this.#playing += control.plays ?? 0;
    if (this.#playing >= control.max) this.stop();
    this.#input.value = String(Math.min(this.#playing ?? control.max, control.max));
    this.#show();
    this.#changed();
  }

  stop(): void {
    this.#playing = undefined;
    if (this.#play) this.#play.textContent = 'Play';
  }

  #togglePlay({ min, max }: { readonly min: number; readonly max: number }): void {
    if (this.#playing !== undefined) {
      this.stop();
      return;
    }
    const now = Number(this.#input.value);
    this.#playing = now >= max ? min : now;
    this.#input.value = String(this.#playing);
    this.#show();
    if (this.#play) this.#play.textContent = 'Stop';
    this.#changed();
  }

  #show(): void {
    this.#shown.textContent = this.#input.value.replace('-', '−');
  }
}

function inputOf(control: Control): HTMLInputElement | HTMLSelectElement {
  switch (control.kind) {
    case 'range': {
      const { min, max, step } = control;
      const limits = { min: String(min), max: String(max), step: String(step) };
      return element('input', { type: 'range', ...limits, autocomplete: 'off' });
    }
    case 'choice':
      return element('select', { autocomplete: 'off' }, ...Object.entries(control.options)
        .map(([value, text]) => element('option', { value }, text)));
    case 'check': return element('input', { type: 'checkbox', autocomplete: 'off' });
    case 'text': return element('input', {
      type: 'text', size: '10', spellcheck: 'false', autocomplete: 'off',
    });
  }
}

const worker = new DrawingWorker();

(globalThis as PieceScript).mambagradPiece = (image) => {
  const name = nameOf(image) ?? '';
  if (Object.hasOwn(controls, name)) new Piece(name, image, worker);
};
