/**
 * Runs code apart from the page: in a worker, within a frame that has an origin of its own and may
 * ask nothing of any server. A run has a frame for itself, and stopping it removes the frame, with
 * all of its threads.
 */
import type { Job, Message } from '../worker/messages.ts';
import { partsOf } from './parts.ts';

/** Code that the scripts of the site have put down for the worker, by the names of the scripts. */
interface Texts {
  mambagradCode?: Record<string, string>;
  /** The document of the frame. */
  mambagradFrame?: string;
}

const texts = globalThis as Texts;

/** A run that goes on until it ends, or is stopped. */
export interface Run {
  stop(): void;
}

/** Starts a run, and calls `on` for what it says; it is always said that it ends. */
export function startRun(job: Job, on: (message: Message) => void): Run {
  const frame = document.createElement('iframe');
  const begin = performance.now();
  let isOver = false;
  const over = (): void => {
    isOver = true;
    frame.remove();
  };
  const fail = (text: string): void => {
    if (isOver) return;
    over();
    const milliseconds = performance.now() - begin;
    on({ kind: 'end', error: { line: 0, text }, milliseconds });
  };
  const listen = ({ data }: MessageEvent<readonly Message[]>): void => {
    for (const message of data) {
      if (isOver) return;
      if (message.kind === 'end') over();
      on(message);
    }
  };
  void start(job, frame, () => isOver, listen, fail).catch((error: unknown) => fail(String(error)));
  return { stop: over };
}

async function start(
  job: Job, frame: HTMLIFrameElement, isOver: () => boolean,
  listen: (event: MessageEvent<readonly Message[]>) => void, fail: (text: string) => void,
): Promise<void> {
  const names = partsOf(job);
  for (const name of names) await loadCode(name);
  if (isOver()) return;
  frame.setAttribute('sandbox', 'allow-scripts');
  // So that threads can share memory, if those of the page can.
  frame.allow = 'cross-origin-isolated';
  frame.hidden = true;
  frame.title = 'Where code runs';
  frame.srcdoc = texts.mambagradFrame ?? '';
  document.body.append(frame);
  await new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
  const [output, trouble] = [new MessageChannel(), new MessageChannel()];
  output.port1.onmessage = listen;
  trouble.port1.onmessage = ({ data }) => fail(String(data));
  const parts = names.map(codeOf);
  const code = ['(() => {', ...parts, 'start();\n})();'];
  frame.contentWindow?.postMessage({ code, job }, '*', [output.port2, trouble.port2]);
}

/** A part of the code that was loaded. */
export function codeOf(name: string): string {
  return texts.mambagradCode?.[name] ?? '';
}

const loading = new Map<string, Promise<void>>();

/** Loads a part of the code, once; begin early, and it is there when it is wanted. */
export function loadCode(name: string): Promise<void> {
  // Another script of the page may have loaded it.
  if (texts.mambagradCode?.[name] !== undefined) return Promise.resolve();
  const known = loading.get(name);
  if (known !== undefined) return known;
  const script = document.createElement('script');
  script.src = `${document.body.dataset['root'] ?? ''}assets/${name}.js`;
  const loaded = new Promise<void>((resolve, reject) => {
    script.addEventListener('load', () => resolve());
    script.addEventListener('error', () => {
      loading.delete(name);
      reject(new Error(`${script.src} could not be loaded`));
    });
  });
  loading.set(name, loaded);
  document.head.append(script);
  return loaded;
}
