/**
 * The words at the start of the shared memory by which the main thread and the workers of a pool
 * talk, after those of share.ts. A worker that sleeps in `Atomics.wait` handles no event, so all
 * that it is told, and all that it answers, lies here:
 *
 *     message    from the main thread to all: which program to run, and where
 *     up         from each worker: it has started
 *     running    from each worker: it is in a program
 *     failure    from the first worker that has failed: why
 *
 * A pool that is closed and started again has other workers, a new team. Each writes the number of
 * its team, so what a worker of an earlier team does late is ignored.
 */
import { CACHE_LINE } from '../common/freeList.ts';
import { MOST_THREADS, RANGES_END } from './share.ts';

/**
 * The words of the message. The epoch grows by two with each message, and is odd while one is being
 * written; `drops` counts the programs that were dropped so far.
 */
export const messageWords = [
  'epoch', 'team', 'drops', 'program', 'address', 'bytes', 'arena', 'own', 'stride', 'threads',
  'loop',
] as const;
/** The address of the message. */
export const MESSAGE: number = RANGES_END;
/** The address of the word in which the first worker says that it is up; the others follow. */
export const UP: number = MESSAGE + CACHE_LINE;
/**
 * The address of the word in which the first worker has the number of its team while it is in a
 * program, else 0; the others follow.
 */
export const RUNNING: number = UP + 4 * MOST_THREADS;
/**
 * The address of the failure: its state, the length of its text, and the text in UTF-16. The state
 * is twice the number of the team while one of its workers writes, and one more once it has.
 */
export const FAILURE: number = RUNNING + 4 * MOST_THREADS;
/** The most characters of the text of a failure. */
export const FAILURE_LENGTH = 252;
/** The bytes at the start of the memory that threads need for themselves. */
export const RESERVED_BYTES: number = FAILURE + 8 + 2 * FAILURE_LENGTH;

/** The bytes before a program in memory: its number, or 0 once it was dropped. */
export const HEADER_BYTES = 4;
