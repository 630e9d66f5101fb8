/**
 * mambagrad/browser: all of `mambagrad`, and what only browsers can do (`@mambagrad/nn/browser`),
 * as one file without imports, for pages that use no bundler, and for their workers:
 *
 *     import { MambaLM, tensor } from './node_modules/mambagrad/dist/browser.js';
 *
 * Bundlers get the same as modules (browserModules.ts), of which they leave out what is not used.
 */
export * from './browserModules.ts';
