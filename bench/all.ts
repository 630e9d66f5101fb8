/** All suites, one after the other, in about two minutes: `npm run bench [-- --long]`. */
import { compiling } from './compiling.ts';
import { decoding } from './decoding.ts';
import { ops } from './ops.ts';
import { scan } from './scan.ts';
import { runSuites } from './support/suite.ts';
import { training } from './training.ts';

await runSuites(ops, scan, training, decoding, compiling);
