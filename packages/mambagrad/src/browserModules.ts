/**
 * mambagrad/browser for bundlers: all of `mambagrad`, and what only browsers can do
 * (`@mambagrad/nn/browser`), as modules. They are those of `mambagrad`, so both can be imported.
 */
export * from './index.ts';
export * from '@mambagrad/nn/browser';
