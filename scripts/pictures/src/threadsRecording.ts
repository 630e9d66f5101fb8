/**
 * A recording for the picture of threads: 2 of them, which share two loops.
 * `npm run pictures -- --record` makes it anew.
 */
import type { ThreadsRecording } from './threadsTimeline.ts';

/** A product of two matrices; the first loop packs one of them. */
export const recording: ThreadsRecording = {
  loops: [2, 18],
  threads: 2,
  chunks: [
    { loop: 0, chunk: 0, thread: 0, from: 0, to: 13.4 },
    { loop: 1, chunk: 0, thread: 0, from: 20.7, to: 166.9 },
    { loop: 1, chunk: 1, thread: 0, from: 167.3, to: 300.2 },
    { loop: 1, chunk: 2, thread: 0, from: 300.9, to: 433.7 },
    { loop: 1, chunk: 3, thread: 0, from: 434.1, to: 566.9 },
    { loop: 1, chunk: 4, thread: 0, from: 567.3, to: 701.2 },
    { loop: 1, chunk: 5, thread: 0, from: 701.8, to: 834.7 },
    { loop: 1, chunk: 6, thread: 0, from: 835.3, to: 968.3 },
    { loop: 1, chunk: 7, thread: 0, from: 968.8, to: 1101.3 },
    { loop: 1, chunk: 8, thread: 0, from: 1102.1, to: 1248 },
    { loop: 1, chunk: 14, thread: 0, from: 1248.7, to: 1381.6 },
    { loop: 1, chunk: 16, thread: 0, from: 1382.3, to: 1515.9 },
    { loop: 1, chunk: 17, thread: 0, from: 1516.4, to: 1649.5 },
    { loop: 0, chunk: 1, thread: 1, from: 3.8, to: 19.8 },
    { loop: 1, chunk: 9, thread: 1, from: 20.7, to: 291.6 },
    { loop: 1, chunk: 10, thread: 1, from: 292.8, to: 546.6 },
    { loop: 1, chunk: 11, thread: 1, from: 547.5, to: 802.4 },
    { loop: 1, chunk: 12, thread: 1, from: 803.6, to: 1055.6 },
    { loop: 1, chunk: 13, thread: 1, from: 1057.2, to: 1322.3 },
    { loop: 1, chunk: 15, thread: 1, from: 1323.4, to: 1575.3 },
  ],
};
