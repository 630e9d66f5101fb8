/**
 * The database in which runs lie in a browser. It is IndexedDB, which every browser has, in pages
 * and in workers, and whose transactions are atomic: all that a transaction writes and removes
 * happens at its end, or not at all, whenever the page or the browser dies. Transactions that write
 * the same tables run one after the other, those of other tabs included.
 *
 * The browser's other place for large data is its private file system (OPFS). There, only single
 * files can be replaced as a whole, in Safari only since version 26 and several times slower;
 * nothing holds two files together; and some browsers lack it in private windows.
 */
import { TensorError } from '@mambagrad/tensor';
import { messageOf } from '@mambagrad/tensor/host';

/** The keys of a run begin with its name; numbers follow, by which they are in order. */
export type Key = readonly [run: string, ...numbers: number[]];

/** The few parts of IndexedDB that are used, as the packages are compiled without the DOM. */
export interface DatabaseRequest<T> {
  readonly result: T;
  readonly error: Error | null;
  onsuccess: (() => void) | null;
  onerror: ((event: { preventDefault(): void }) => void) | null;
}

/** A range of keys. */
interface Range {
  readonly lower: unknown;
}

/** An object store: values by key. */
export interface ObjectStore {
  get(key: Key): DatabaseRequest<unknown>;
  getAll(range: Range): DatabaseRequest<unknown[]>;
  getAllKeys(range?: Range): DatabaseRequest<Key[]>;
  put(value: unknown, key: Key): DatabaseRequest<unknown>;
  delete(key: Key | Range): DatabaseRequest<undefined>;
}

interface Transaction {
  readonly error: Error | null;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
  objectStore(name: string): ObjectStore;
  abort(): void;
}

interface Database {
  readonly objectStoreNames: { contains(name: string): boolean };
  createObjectStore(name: string): ObjectStore;
  transaction(
    names: readonly string[], mode: 'readonly' | 'readwrite', options: { durability: 'strict' },
  ): Transaction;
  close(): void;
}

interface Browser {
  readonly indexedDB?: {
    open(name: string, version: number): DatabaseRequest<Database> & {
      onupgradeneeded: (() => void) | null;
    };
  };
  readonly IDBKeyRange: { bound(from: unknown, to: unknown): Range };
  readonly navigator?: {
    readonly storage?: { estimate?(): Promise<{ usage?: number }> };
  };
}

const browser = globalThis as unknown as Browser;

const NAME = 'mambagrad';
/** The second has the options of runs. */
const VERSION = 2;
/** Safetensors files by [run, number, step], and parts of logs by [run, number]. */
const CHECKPOINTS = 'checkpoints';
const LOGS = 'logs';
/** Options of runs, as JSON, by [run]. */
const OPTIONS = 'options';
const TABLES = [CHECKPOINTS, LOGS, OPTIONS] as const;

/** The tables in a transaction. */
export interface Tables {
  readonly checkpoints: ObjectStore;
  readonly logs: ObjectStore;
  readonly options: ObjectStore;
}

/** The range of all keys of a run: lists come after numbers in the order of keys. */
export function keysOf(run: string): Range {
  return browser.IDBKeyRange.bound([run], [run, []]);
}

/** Resolves with the result of a request; rejects if it fails. */
export function resultOf<T>(request: DatabaseRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = (event) => {
      event.preventDefault();
      reject(request.error ?? new Error('the request failed'));
    };
  });
}

/** Throws unless there is a database at all; `op` is the function that needs it. */
export function requireDatabase(op: string): void {
  if (browser.indexedDB) return;
  throw new TensorError(
    `${op}: there is no IndexedDB here, as in a page or worker of a browser; in Node, runFolder ` +
      "and checkpointFolder of '@mambagrad/nn/node' keep runs in folders",
  );
}

/**
 * Runs `work` in a transaction, in which it may await nothing but requests. If it throws, or its
 * writing fails, nothing of it has happened. Resolves once all of it is on the disk. The database
 * is open no longer than that, so that the user and other tabs can remove it.
 */
export async function transact<T>(
  op: string, mode: 'readonly' | 'readwrite', work: (tables: Tables) => Promise<T>,
): Promise<T> {
  const database = await open(op);
  try {
    // Without `strict` a crash of the system, not of the browser, may undo the last transaction.
    const transaction = database.transaction(TABLES, mode, { durability: 'strict' });
    return await run(transaction, work);
  } catch (error) {
    throw error instanceof TensorError ? error : await describeFailure(op, error);
  } finally {
    database.close();
  }
}

async function run<T>(transaction: Transaction, work: (tables: Tables) => Promise<T>): Promise<T> {
  const ended = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('it was aborted'));
  });
  // It may end while `work` still waits for a request, which then fails, too.
  ended.catch(() => undefined);
  const [checkpoints, logs, options] = TABLES.map((name) => transaction.objectStore(name));
  try {
    const result = await work({ checkpoints, logs, options });
    await ended;
    return result;
  } catch (error) {
    abort(transaction);
    // If the browser has ended it, because there is no room, it knows why better than a request.
    throw transaction.error ?? error;
  }
}

function abort(transaction: Transaction): void {
  try {
    transaction.abort();
  } catch {
    // It is over already.
  }
}

async function open(op: string): Promise<Database> {
  requireDatabase(op);
  try {
    const request = browser.indexedDB?.open(NAME, VERSION);
    if (!request) throw new Error('it has none');
    request.onupgradeneeded = () => {
      const { result: database } = request;
      const missing = TABLES.filter((table) => !database.objectStoreNames.contains(table));
      for (const table of missing) database.createObjectStore(table);
    };
    return await resultOf(request);
  } catch (cause) {
    const hint = nameOf(cause) === 'VersionError'
      ? 'a later version of mambagrad has made it'
      : 'is this a sandboxed frame, or is storage blocked for this site?';
    throw new TensorError(
      `${op}: the browser does not open its database: ${messageOf(cause)} (${hint})`, { cause },
    );
  }
}

const nameOf = (error: unknown): unknown => (error as { name?: unknown } | null)?.name;

/** The error of a transaction, as users see it. */
async function describeFailure(op: string, cause: unknown): Promise<TensorError> {
  if (nameOf(cause) !== 'QuotaExceededError') {
    const problem = messageOf(cause) || String(nameOf(cause));
    return new TensorError(`${op}: the browser's database: ${problem}`, { cause });
  }
  return new TensorError(
    `${op}: the browser gives this site no more room${await describeUsage()}; all that was saved ` +
      'before is still there. Remove other runs (removeRun), or keep fewer checkpoints (keep)',
    { cause },
  );
}

/** How much the site uses. (Of the quota, browsers do not tell the truth: it identifies users.) */
async function describeUsage(): Promise<string> {
  const { usage } = (await browser.navigator?.storage?.estimate?.().catch(() => undefined)) ?? {};
  return usage === undefined ? '' : ` (it uses ${(usage / 1e6).toFixed(1)} MB)`;
}
