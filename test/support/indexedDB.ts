/**
 * A small IndexedDB in memory, for tests in Node: as much as a browser's storage of runs uses, with
 * the rules that matter to it. Values are cloned. A transaction works on a copy of the tables,
 * which takes their place when it ends; one begins when that before it has ended. Its requests may
 * be made when it is created and in the callbacks of others, with the promises that follow from
 * them, and it ends by itself when there are no more. As in Chromium it ends with an error, but a
 * nameless one, if one of them has failed, whether or not that was handled.
 */
type Key = readonly (string | number)[];
type Tables = Map<string, [Key, unknown][]>;

interface Range {
  readonly lower: unknown;
  readonly upper: unknown;
}

/** Numbers come before strings, and those before lists, which are compared item by item. */
function compare(a: unknown, b: unknown): number {
  const rank = (x: unknown): number => (typeof x === 'number' ? 0 : typeof x === 'string' ? 1 : 2);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (!Array.isArray(a) || !Array.isArray(b)) return String(a) < String(b) ? -1 : Number(a !== b);
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compare(a[i], b[i]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

const problem = (name: string): Error => Object.assign(new Error(`a failure: ${name}`), { name });

/** Lets all promises go on that can. */
const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

class Request {
  result: unknown;
  error: Error | null = null;
  onsuccess: (() => void) | null = null;
  onerror: ((event: { preventDefault(): void }) => void) | null = null;
  onupgradeneeded: (() => void) | null = null;
}

/** What the requests of a database are, as failures are asked for. */
export type Operation = 'get' | 'getAll' | 'getAllKeys' | 'put' | 'delete' | 'commit';

/** The databases of a site, which outlive its pages. */
export class MemoryIndexedDB {
  readonly #databases = new Map<string, { version: number; tables: Tables }>();
  #queue: Promise<void> = Promise.resolve();
  #life = 0;
  /** Called before each request and each end of a transaction: throws to make it fail. */
  before: (operation: Operation) => void = () => undefined;

  /** The page dies: whatever it was doing, nothing of it goes on. */
  kill(): void {
    this.#life++;
    this.#queue = Promise.resolve();
  }

  /** The keys of a table, as the disk has them now. */
  keys(database: string, table: string): Key[] {
    return (this.#databases.get(database)?.tables.get(table) ?? []).map(([key]) => key);
  }

  /** Replaces the value under a key on the disk. */
  damage(database: string, table: string, key: Key, value: unknown): void {
    const rows = this.#databases.get(database)?.tables.get(table) ?? [];
    const row = rows.find(([each]) => compare(each, key) === 0);
    if (row === undefined) throw new Error(`there is nothing under ${key.join()}`);
    row[1] = value;
  }

  open(name: string, version: number): Request {
    const request = new Request();
    const life = this.#life;
    void turn().then(() => {
      if (life !== this.#life) return;
      const known = this.#databases.get(name);
      if (known && known.version > version) {
        request.error = problem('VersionError');
        request.onerror?.({ preventDefault: () => undefined });
        return;
      }
      const database = known ?? { version, tables: new Map() };
      this.#databases.set(name, database);
      request.result = {
        objectStoreNames: { contains: (table: string) => database.tables.has(table) },
        createObjectStore: (table: string) => void database.tables.set(table, []),
        transaction: () => this.#transaction(database),
        close: () => undefined,
      };
      if (!known || known.version < version) request.onupgradeneeded?.();
      database.version = version;
      request.onsuccess?.();
    });
    return request;
  }

  #transaction(database: { tables: Tables }): Transaction {
    const transaction = new Transaction(database, (operation) => this.before(operation));
    const life = this.#life;
    this.#queue = this.#queue.then(() => transaction.run(() => life === this.#life));
    return transaction;
  }
}

class Transaction {
  error: Error | null = null;
  oncomplete: (() => void) | null = null;
  onabort: (() => void) | null = null;
  readonly #database: { tables: Tables };
  readonly #before: (operation: Operation) => void;
  readonly #requests: [Request, Operation, () => unknown][] = [];
  #copy: Tables = new Map();
  #isActive = true;
  #isOver = false;
  #hasFailed = false;

  constructor(database: { tables: Tables }, before: (operation: Operation) => void) {
    this.#database = database;
    this.#before = before;
    void turn().then(() => { this.#isActive = false; });
  }

  objectStore(table: string): object {
    const rows = (): [Key, unknown][] => this.#copy.get(table) ?? [];
    const within = ([key]: [Key, unknown], { lower, upper }: Range): boolean =>
      compare(key, lower) >= 0 && compare(key, upper) <= 0;
    const found = (range?: Range) => rows().filter((row) => !range || within(row, range));
    const without = (key: Key | Range) => rows().filter((row) =>
      Array.isArray(key) ? compare(row[0], key) !== 0 : !within(row, key as Range));
    return {
      get: (key: Key) => this.#ask('get', () =>
        structuredClone(rows().find(([each]) => compare(each, key) === 0)?.[1])),
      getAll: (range?: Range) =>
        this.#ask('getAll', () => structuredClone(found(range).map(([, value]) => value))),
      getAllKeys: (range?: Range) =>
        this.#ask('getAllKeys', () => found(range).map(([key]) => key)),
      put: (value: unknown, key: Key) => {
        const clone = structuredClone(value);
        return this.#ask('put', () => void this.#copy.set(
          table,
          [...without(key), [key, clone] as [Key, unknown]].sort(([a], [b]) => compare(a, b)),
        ));
      },
      delete: (key: Key | Range) =>
        this.#ask('delete', () => void this.#copy.set(table, without(key))),
    };
  }

  abort(): void {
    if (this.#isOver) throw problem('InvalidStateError');
    this.#end(undefined);
  }

  /** Answers request after request while the page lives. */
  async run(isAlive: () => boolean): Promise<void> {
    await turn();
    this.#copy = new Map(this.#database.tables);
    while (!this.#isOver && this.#requests.length > 0) {
      await turn();
      if (!isAlive()) return;
      const [next] = this.#requests.splice(0, 1);
      await this.#answer(...next);
    }
    if (this.#isOver || !isAlive()) return;
    const error = this.#hasFailed ? problem('') : this.#attempt('commit', () => undefined);
    if (!isAlive()) return;
    if (error === undefined) this.#database.tables = this.#copy;
    this.#end(error, error === undefined);
  }

  async #answer(request: Request, operation: Operation, act: () => unknown): Promise<void> {
    const error = this.#attempt(operation, () => { request.result = act(); });
    let isHandled = false;
    this.#isActive = true;
    if (error === undefined) request.onsuccess?.();
    else {
      this.#hasFailed = true;
      request.error = error;
      request.onerror?.({ preventDefault: () => { isHandled = true; } });
    }
    await turn();
    this.#isActive = false;
    if (error !== undefined && !isHandled && !this.#isOver) this.#end(error);
  }

  #attempt(operation: Operation, act: () => void): Error | undefined {
    try {
      this.#before(operation);
      act();
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  #ask(operation: Operation, act: () => unknown): Request {
    if (!this.#isActive || this.#isOver) throw problem('TransactionInactiveError');
    const request = new Request();
    this.#requests.push([request, operation, act]);
    return request;
  }

  #end(error: Error | undefined, isComplete = false): void {
    this.#isOver = true;
    this.error = error ?? null;
    for (const [request] of this.#requests.splice(0)) {
      request.error = problem('AbortError');
      request.onerror?.({ preventDefault: () => undefined });
    }
    if (isComplete) this.oncomplete?.();
    else this.onabort?.();
  }
}

export const keyRanges = {
  bound: (lower: unknown, upper: unknown): Range => ({ lower, upper }),
};

export { problem as failureNamed };
