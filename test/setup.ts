/** Runs before each test file: every property draws from the seed of the run. */
import fc from 'fast-check';
import { inject } from 'vitest';

// A failing property is made smaller for a while, not without end.
fc.configureGlobal({ seed: inject('seed'), interruptAfterTimeLimit: 20_000 });
