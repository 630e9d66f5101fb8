/**
 * @mambagrad/nn/browser: runs in the storage of a browser, files from inputs and addresses, and
 * downloads.
 */
export {
  type BlobSource, type BytesSource, download, loadModel, loadSafetensors,
  openSafetensors,
} from './checkpoints/file.browser.ts';
export {
  browserCheckpoints, type BrowserLog, browserRun, type BrowserRun, type BrowserRunOptions,
  listRuns, loadLog, removeRun,
} from './checkpoints/run.browser.ts';
export { loadRunOptions } from './checkpoints/runOptions.browser.ts';
export { type ReportFrame, showReport } from './report/show.browser.ts';
