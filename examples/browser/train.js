/**
 * The page that trains, in trainWorker.js. While it does, the address ends in #on: so a page that
 * is loaded again knows that it should go on.
 */
import { download, listRuns, removeRun, showReport } from './mambagrad.js';
import { byId, watchPauses } from './parts.js';

const [train, stop, save, remove] = ['train', 'stop', 'save', 'remove'].map((id) =>
  byId(id, HTMLButtonElement));
const status = byId('status', HTMLElement);
const report = byId('report', HTMLIFrameElement);
const pauses = watchPauses(byId('square', HTMLElement), byId('pause', HTMLElement));

/** @type {Worker | undefined} */
let worker;

/** @param {import('./trainWorker.js').Request} request */
const ask = (request) => worker?.postMessage(request);

/** @param {boolean} isOn */
function setOn(isOn) {
  history.replaceState(null, '', isOn ? '#on' : location.pathname);
  train.disabled = isOn;
  stop.disabled = true;
  remove.disabled = isOn;
}

function start() {
  setOn(true);
  pauses.reset();
  worker?.terminate();
  worker = new Worker(new URL('./trainWorker.js', import.meta.url), { type: 'module' });
  /** @param {MessageEvent<import('./trainWorker.js').News>} event */
  worker.onmessage = ({ data }) => {
    if (data.kind === 'status') {
      status.textContent = data.text;
      stop.disabled = save.disabled = false;
    } else if (data.kind === 'progress') byId('progress', HTMLElement).textContent = data.text;
    else if (data.kind === 'sample') byId('names', HTMLElement).textContent = data.text;
    else if (data.kind === 'report') showReport(report, data.page);
    else if (data.kind === 'model') download('names.safetensors', data.bytes);
    else end(data.text);
  };
  worker.onerror = ({ message }) => end(`The worker has failed: ${message || 'see the console'}`);
  ask({ kind: 'train', address: new URL('names.txt', document.baseURI).href });
}

/** @param {string} text */
function end(text) {
  status.textContent = text;
  setOn(false);
  train.textContent = 'Train on';
}

train.addEventListener('click', start);
stop.addEventListener('click', () => ask({ kind: 'stop' }));
save.addEventListener('click', () => ask({ kind: 'save' }));
remove.addEventListener('click', async () => {
  worker?.terminate();
  await removeRun('names');
  location.reload();
});

const runs = await listRuns().catch((error) => {
  status.textContent = String(error);
  return undefined;
});
if (runs) {
  const isThere = runs.includes('names');
  if (isThere) train.textContent = 'Train on';
  remove.disabled = !isThere;
  train.disabled = false;
  status.textContent = isThere ? 'There is a run in this browser.' : 'Nothing is stored yet.';
  if (location.hash === '#on') start();
}
