/**
 * Serves the pages of examples/browser, in which a model writes names and is trained, in a worker.
 * Two headers isolate them from other sites, which is what shared memory needs, and so threads;
 * with --alone they are left out, as a host does that lets nobody set headers.
 */
import { browserModule } from '#bundle';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { dataFile, examples } from './files.ts';
import { readOptions } from './options.ts';

const { port, alone } = readOptions(
  'Serves pages that generate and train in a browser.',
  { port: { help: 'the port of 127.0.0.1; 0 for any that is free', default: 8000, min: 0 } },
  { alone: 'without the headers that isolate pages: one thread' },
);

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.txt': 'text/plain',
};

const folder = join(examples, 'browser');
/** What does not lie in the folder. */
const others: Readonly<Record<string, string | Buffer>> = {
  '/mambagrad.js': browserModule(),
  '/names.txt': readFileSync(dataFile('names.txt')),
};

/** What lies at a path; undefined if there is nothing. */
function contentAt(path: string): string | Buffer | undefined {
  if (Object.hasOwn(others, path)) return others[path];
  const file = join(folder, normalize(path));
  return existsSync(file) && statSync(file).isFile() ? readFileSync(file) : undefined;
}

const server = createServer(({ url = '/' }, response) => {
  const { pathname } = new URL(url, 'http://localhost');
  const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
  const content = contentAt(path);
  const type = types[extname(path)];
  response.writeHead(content === undefined ? 404 : 200, {
    'Content-Type': type ? `${type}; charset=utf-8` : 'application/octet-stream',
    'Cache-Control': 'no-cache',
    ...(!alone && isolation),
  });
  response.end(content ?? `${path} is not here`);
});
server.listen(port, '127.0.0.1', () => {
  const address = server.address();
  const found = typeof address === 'object' && address !== null ? address.port : port;
  console.log(`http://127.0.0.1:${found}/ (Ctrl+C ends it)`);
});
