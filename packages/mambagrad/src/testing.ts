/**
 * mambagrad/testing: the properties that every scan should have, for scans of your own. It is
 * `@mambagrad/mamba/testing`, and needs fast-check, which you install beside it.
 */
export * from '@mambagrad/mamba/testing';
