/** Runs before each test file: every property draws from the seed of the run. */
import fc from 'fast-check';
import { inject } from 'vitest';

// A failing property is made smaller for a while, not without end; one that takes so long without
// failing has not been tested.
fc.configureGlobal({
  seed: inject('seed'),
  interruptAfterTimeLimit: 40_000,
  markInterruptAsFailure: true,
});
