/**
 * The page: starts a worker, tells it what to write, and shows what comes back. All computing is
 * done in worker.js.
 */

import { byId, watchPauses } from './parts.js';

const form = byId('form', HTMLFormElement);
const start = byId('start', HTMLInputElement);
const temperature = byId('temperature', HTMLInputElement);
const slow = byId('slow', HTMLInputElement);
const write = byId('write', HTMLButtonElement);
const stop = byId('stop', HTMLButtonElement);
const status = byId('status', HTMLElement);
const names = byId('names', HTMLElement);

// A module worker. Bundlers understand this line, too.
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });

/** @param {import('./worker.js').Request} request */
const ask = (request) => worker.postMessage(request);

/** @param {MessageEvent<import('./worker.js').Answer>} event */
worker.onmessage = ({ data }) => {
  if (data.kind === 'text') return show(data.text);
  status.textContent = data.text;
  write.disabled = data.isWriting || !data.canWrite;
  stop.disabled = !data.isWriting;
};
worker.onerror = ({ message }) => {
  status.textContent = `The worker has failed: ${message || 'see the console'}`;
};

/** Adds text at the end; the oldest goes. @param {string} text */
function show(text) {
  names.textContent = ((names.textContent ?? '') + text).slice(-2000);
  names.scrollTop = names.scrollHeight;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  names.textContent = '';
  pauses.reset();
  ask({ kind: 'write', start: start.value });
});
stop.addEventListener('click', () => ask({ kind: 'stop' }));

function sendSettings() {
  const degrees = Number(temperature.value);
  byId('degrees', HTMLOutputElement).value = degrees.toFixed(1);
  ask({ kind: 'settings', temperature: degrees, isSlow: slow.checked });
}
temperature.addEventListener('input', sendSettings);
slow.addEventListener('change', sendSettings);

const file = byId('file', HTMLInputElement);
file.addEventListener('change', () => {
  if (file.files?.[0]) ask({ kind: 'load', source: file.files[0] });
});
sendSettings();
const pauses = watchPauses(byId('square', HTMLElement), byId('pause', HTMLElement));
ask({ kind: 'load', source: new URL('./names.safetensors', import.meta.url).href });
