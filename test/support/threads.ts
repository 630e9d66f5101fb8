/** Compiled functions on several numbers of threads, of which one program serves all. */
import { setThreads } from '@mambagrad/tensor';

/** The numbers of threads whose results are compared. */
export const threadCounts: readonly number[] = [1, 2, 3, 8];

/** Runs `body` while functions compiled without a number of threads run on so many. */
export function onThreads<T>(count: number, body: () => T): T {
  setThreads(count);
  try {
    return body();
  } finally {
    setThreads(undefined);
  }
}
