/**
 * The report of a run while it trains, as a page that this process serves on 127.0.0.1. A browser
 * that shows it is sent the new content every other second (server-sent events), or less often
 * where that would take more than 5 % of the time. The report is made between two steps, and only
 * if somebody looks.
 *
 *     GET /          the page
 *     GET /live.js   its script, which puts new content into the page
 *     GET /events    a stream of contents, as JSON; the last, at the end of the run, as event `end`
 *
 * The server does not keep the process alive, and is closed when the run ends. The browser then
 * goes on showing the last content.
 */
import { TensorError } from '@mambagrad/tensor';
import { messageOf, now } from '@mambagrad/tensor/host';
import { hoverScript } from './hoverScript.ts';
import { liveScript } from './liveScript.ts';
import { element, join } from './markup.ts';
import { contentOf, pageOf } from './page.ts';
import { LogParser, type Run } from './run.ts';

/** The parts of Node's HTTP server that are used. This file is compiled without Node's types. */
interface Http {
  createServer(answer: (request: Request, response: Response) => void): Server;
}
interface Server {
  on(event: 'connection', listener: (socket: { unref(): void }) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  listen(port: number, host: string, listening: () => void): void;
  address(): { readonly port: number };
  unref(): void;
  close(): void;
  closeAllConnections(): void;
}
interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}
interface Response {
  readonly writableLength: number;
  writeHead(status: number, headers: Readonly<Record<string, string>>): void;
  write(text: string): void;
  end(text: string, finished?: () => void): void;
  on(event: 'close', listener: () => void): void;
}
interface Host {
  readonly console?: { log(text: string): void };
  readonly process?: { getBuiltinModule?(name: 'node:http'): Http };
  setInterval(run: () => void, milliseconds: number): { unref(): void };
  clearInterval(timer: object): void;
  setTimeout(run: () => void, milliseconds: number): object;
  clearTimeout(timer: object): void;
}

const host = globalThis as unknown as Host;

/** New content is sent at most once in this many milliseconds. */
const INTERVAL = 2000;
/** The making of contents takes at most this part of the time. */
const MOST_OF_TIME = 1 / 20;
/** At the end we wait this many milliseconds at most until browsers have the last content. */
const PATIENCE = 1000;

const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'",
};

/** A page that shows a run as it goes. */
export interface LivePage {
  /** Where it is, as `http://127.0.0.1:41234/`. */
  readonly address: string;
  /** Adds a line of the log. */
  add(line: string): void;
  /** Sends the last content to those who look, and closes the server. */
  close(): Promise<void>;
}

/** The output that the address is printed to. */
interface Output {
  write(text: string): unknown;
}

const consoleOutput: Output = { write: (text) => host.console?.log(text.trimEnd()) };

/**
 * Serves the report of a run on a free port of 127.0.0.1, and prints its address. `earlier` is the
 * log of the run so far. Throws where there is no server, as in a browser.
 */
export async function openLivePage(
  title: string, earlier: string, output: Output = consoleOutput,
): Promise<LivePage> {
  const http = host.process?.getBuiltinModule?.('node:http');
  if (http === undefined) {
    throw new TensorError(
      'fit: live needs a server, as in Node, and there is none here; reportPage makes the same ' +
        'page of the lines of a log',
    );
  }
  const report = new LiveReport(title, earlier);
  const server = http.createServer((request, response) => {
    answer(request, response, report, server.address().port);
  });
  server.on('connection', (socket) => socket.unref());
  await new Promise<void>((resolve, reject) => {
    server.on('error', (error) => {
      reject(new TensorError(`fit: live: no page can be served: ${messageOf(error)}`));
    });
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  const timer = host.setInterval(() => report.send(), INTERVAL / 4);
  timer.unref();
  const address = `http://127.0.0.1:${server.address().port}/`;
  output.write(`The run is shown at ${address} until it ends\n`);
  return {
    address,
    add: (line) => report.add(line),
    close: async () => {
      host.clearInterval(timer);
      await report.end();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The lines so far, and the browsers that look at their report. */
class LiveReport {
  readonly #title: string;
  readonly #parser = new LogParser();
  readonly #viewers = new Set<Response>();
  /** Texts of one or more lines that were not parsed yet: that is done when somebody looks. */
  #texts: string[];
  #isChanged = false;
  #nextAt = -Infinity;

  constructor(title: string, earlier: string) {
    this.#title = title;
    this.#texts = [earlier];
  }

  add(line: string): void {
    this.#texts.push(line);
    this.#isChanged = true;
  }

  /** The whole page as it is now. */
  page(): string {
    const script = element('script', { src: 'live.js', defer: true }, join([]));
    return pageOf(this.#run(), { title: this.#title, classes: [] }, script);
  }

  /** Sends the contents from now on. */
  join(viewer: Response): void {
    this.#viewers.add(viewer);
    this.#isChanged = true;
    viewer.on('close', () => this.#viewers.delete(viewer));
  }

  /** Sends the content if somebody looks, it has changed, and enough time has passed. */
  send(): void {
    // A browser that has not received the last content gets none: it may be asleep.
    const ready = [...this.#viewers].filter(({ writableLength }) => writableLength === 0);
    if (ready.length === 0 || !this.#isChanged || now() < this.#nextAt) return;
    this.#isChanged = false;
    // Each line is parsed once, so that is not counted: only the first time there are many.
    this.#parse();
    const start = now();
    const message = `data: ${this.#content()}\n\n`;
    for (const viewer of ready) viewer.write(message);
    const end = now();
    this.#nextAt = Math.max(start + INTERVAL, end + (end - start) / MOST_OF_TIME);
  }

  /** Sends the last content, and resolves when it was received or patience has run out. */
  async end(): Promise<void> {
    if (this.#viewers.size === 0) return;
    const message = `event: end\ndata: ${this.#content()}\n\n`;
    const sent = Array.from(this.#viewers, (viewer) =>
      new Promise<void>((resolve) => viewer.end(message, resolve)));
    let timer: object = {};
    const timeout = new Promise<void>((resolve) => {
      timer = host.setTimeout(resolve, PATIENCE);
    });
    await Promise.race([Promise.all(sent), timeout]);
    host.clearTimeout(timer);
  }

  #content(): string {
    return JSON.stringify(join(contentOf(this.#run(), { title: this.#title, classes: [] })));
  }

  #run(): Run {
    this.#parse();
    return this.#parser.run();
  }

  #parse(): void {
    for (const text of this.#texts) {
      for (const line of text.replace(/\n$/, '').split('\n')) this.#parser.add(line);
    }
    this.#texts = [];
  }
}

/** Answers a request of a browser, if it was addressed to this server by its own name. */
function answer(request: Request, response: Response, report: LiveReport, port: number): void {
  const { method, url, headers } = request;
  const give = (status: number, type: string, content: string): void => {
    response.writeHead(status, { ...HEADERS, 'Content-Type': `${type}; charset=utf-8` });
    response.end(content);
  };
  // Another site can give its name our address, but cannot change what the browser says of it.
  const isOurs = [`127.0.0.1:${port}`, `localhost:${port}`].includes(headers['host'] ?? '');
  if (method !== 'GET' || !isOurs) return give(403, 'text/plain', 'forbidden');
  if (url === '/') return give(200, 'text/html', report.page());
  if (url === '/live.js') return give(200, 'text/javascript', hoverScript + liveScript);
  if (url !== '/events') return give(404, 'text/plain', 'not found');
  response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream' });
  response.write('retry: 2000\n\n');
  report.join(response);
}
