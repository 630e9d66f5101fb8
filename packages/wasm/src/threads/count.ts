/** The number of threads: what the machine and the platform allow, and what is asked for. */
import { features } from '../assembler/features.ts';
import { checkArgument, whole } from '../common/options.ts';
import { browser, builtin, warn } from '../common/platform.ts';
import { MOST_THREADS } from './share.ts';

/** The address space that we need to start threads: 32 GiB, since one memory may reserve 10. */
const LEAST_ADDRESS_SPACE = 2 ** 35;

/** Whether the address space is limited (`ulimit -v`): a worker that gets none ends the process. */
function isAddressSpaceLimited(): boolean {
  try {
    const limits = builtin('fs')?.readFileSync('/proc/self/limits', 'utf8') ?? '';
    return Number(/^Max address space +(\d+)/m.exec(limits)?.[1] ?? Infinity) < LEAST_ADDRESS_SPACE;
  } catch {
    // Not Linux, or the file may not be read.
    return false;
  }
}

/** Why there can be no second thread here, as far as is known before one is started. */
function whyNone(): string | undefined {
  const host = browser();
  if (typeof SharedArrayBuffer !== 'function') {
    return host?.crossOriginIsolated === false
      ? 'the page is not cross-origin isolated, so it has no shared memory; its server must send ' +
        'the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: ' +
        'require-corp'
      : 'there is no shared memory here (SharedArrayBuffer)';
  }
  if (!features().threads) return 'WebAssembly has no shared memory here';
  if (builtin('worker_threads') === undefined && host?.Worker === undefined) {
    return 'there are no workers here';
  }
  return isAddressSpaceLimited() ? 'the address space is limited (ulimit -v)' : undefined;
}

function countCores(): number {
  const cores = builtin('os')?.availableParallelism() ?? browser()?.navigator.hardwareConcurrency;
  return Math.min(cores ?? 1, MOST_THREADS);
}

/** How many threads there can be, and if there is but one, why. */
interface Most {
  readonly count: number;
  readonly why: string | undefined;
}

let found: Most | undefined;
let defaultCount: number | undefined;
let isWarned = false;

function mostThreads(): Most {
  if (found === undefined) {
    const why = whyNone();
    found = { count: why === undefined ? countCores() : 1, why };
  }
  return found;
}

/** Notes that a worker could not be started, and warns: from now on there is one thread. */
export function refuseThreads(why: string): void {
  if (mostThreads().why !== undefined) return;
  found = { count: 1, why };
  isWarned = true;
  warn(`threads: there is one, as ${why}`);
}

/** Warns, once, if more threads are asked for than the one that there can be. */
function noteAsked(count: number): void {
  const { why } = mostThreads();
  if (count === 1 || why === undefined || isWarned) return;
  isWarned = true;
  warn(`threads: ${count} were asked for, but there is one, as ${why}`);
}

/**
 * Why there is one thread here, as a sentence without its end; undefined where there can be more:
 *
 *     the page is not cross-origin isolated, so it has no shared memory; its server must send …
 *
 * Whether workers may be started is known only once that was tried: see `startThreads`.
 */
export function whyOneThread(): string | undefined {
  const { count, why } = mostThreads();
  return why ?? (count === 1 ? 'there is one core' : undefined);
}

/**
 * Sets the number of threads of compiled functions that have no `threads` option; undefined stands
 * for one for each core. Throws if the count is not a whole number from 1, and warns if it is more
 * than 1 where there can be no other thread; `whyOneThread()` says why.
 */
export function setThreads(count: number | undefined): void {
  if (count !== undefined) {
    checkArgument('setThreads', 'count', count, whole(1));
    noteAsked(count);
  }
  defaultCount = count;
}

/** The number of threads to use, given the number that is asked for, which may be too many. */
export function threadCountFor(count: number | undefined = defaultCount): number {
  const { count: most } = mostThreads();
  if (count === undefined) return most;
  if (most > 1) return Math.min(count, MOST_THREADS);
  noteAsked(count);
  return 1;
}
