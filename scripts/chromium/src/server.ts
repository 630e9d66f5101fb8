/**
 * A small static server for pages in tests and benchmarks. It serves
 *
 *     /packages/tensor/dist/index.js   the compiled packages of the workspace
 *     /NAME/…                          folders, under a name that is given to them
 *     /page.html                       pages that are given as strings
 *
 * Browsers do not know where '@mambagrad/tensor' is, and import maps do not reach workers. So in
 * modules of the packages, of folders that ask for it, and in pages such a name is replaced by the
 * address of the package's entry. Other files are served as they are.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface ServeOptions {
  /** Whether pages are cross-origin isolated, so that they can share memory. Default false. */
  readonly isolated?: boolean;
  /** The Content-Security-Policy header of each answer. Default none. */
  readonly policy?: string;
  /** Folders by the name under which they are served, as they are. Default none. */
  readonly folders?: Readonly<Record<string, string>>;
  /** Folders whose modules import packages by name. Default none. */
  readonly modules?: Readonly<Record<string, string>>;
  /** Contents by path, such as `/index.html`. Default none. */
  readonly pages?: Readonly<Record<string, string>>;
}

/** A running server. */
export interface Server {
  /** Its address, ending in a slash. */
  readonly url: string;
  /** The paths that were asked for, in order. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.json': 'application/json', '.txt': 'text/plain; charset=utf-8', '.svg': 'image/svg+xml',
  '.png': 'image/png', '.wasm': 'application/wasm',
};

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Starts a server on a free port of this machine. */
export async function serve(options: ServeOptions = {}): Promise<Server> {
  const { isolated = false, policy, folders = {}, modules = {}, pages = {} } = options;
  const requests: string[] = [];
  const headers = {
    'Cache-Control': 'no-store',
    ...(isolated && isolation),
    ...(policy !== undefined && { 'Content-Security-Policy': policy }),
  };
  const compiled = { ...modules, packages: join(root, 'packages') };
  const server = createServer((request, response) => {
    const path = pathOf(request);
    requests.push(path);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (path === '/favicon.ico') response.writeHead(204).end();
    else if (Object.hasOwn(pages, path)) answer(response, path, withAddresses(pages[path]));
    else answerFile(response, path, fileAt(path, compiled), fileAt(path, folders));
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> => new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${port}/`, requests, close };
}

/** The path of a request, decoded; the empty text if it is wrong. */
function pathOf({ url = '' }: IncomingMessage): string {
  try {
    return decodeURIComponent(new URL(url, 'http://localhost').pathname);
  } catch {
    return '';
  }
}

/** The file of a path, if it lies in one of the folders that are served. */
function fileAt(path: string, places: Readonly<Record<string, string>>): string | undefined {
  const [, name = '', rest = ''] = /^\/([^/]+)\/(.*)$/.exec(path) ?? [];
  if (!Object.hasOwn(places, name)) return undefined;
  const folder = join(places[name], sep);
  const file = join(folder, rest === '' || rest.endsWith('/') ? `${rest}index.html` : rest);
  return file.startsWith(folder) && existsSync(file) && statSync(file).isFile() ? file : undefined;
}

/** Answers with a file: a module in which names of packages are replaced, or one as it is. */
function answerFile(
  response: ServerResponse, path: string, module: string | undefined, file = module,
): void {
  if (file === undefined) {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end(`${path} is not here`);
  } else {
    const bytes = readFileSync(file);
    const isModule = file === module && extname(file) === '.js';
    answer(response, file, isModule ? withAddresses(bytes.toString('utf8')) : bytes);
  }
}

function answer(response: ServerResponse, path: string, body: string | Buffer): void {
  const type = types[extname(path)] ?? (path.endsWith('/') ? types['.html'] : undefined);
  response.setHeader('Content-Type', type ?? 'application/octet-stream').end(body);
}

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, { readonly default: string } | string>>;
}

/** The addresses of all entries: '@mambagrad/tensor/extend' → /packages/tensor/dist/extend.js. */
function findAddresses(): Map<string, string> {
  const folders = readdirSync(join(root, 'packages'))
    .filter((name) => existsSync(join(root, 'packages', name, 'package.json')));
  return new Map(folders.flatMap((folder) => {
    const text = readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8');
    const { name, exports } = JSON.parse(text) as Manifest;
    return Object.entries(exports).flatMap(([path, entry]) => typeof entry === 'string' ? [] : [[
      name + path.slice(1), `/packages/${folder}/${entry.default.slice(2)}`,
    ] as const]);
  }));
}

let addresses: Map<string, string> | undefined;

/** A module with addresses for the names of packages. */
export function withAddresses(code: string): string {
  const found = (addresses ??= findAddresses());
  return code.replaceAll(
    /\b(from|import)(\s*\(?\s*)(['"])(@?mambagrad(?:\/[\w./-]+)?)\3/g,
    (all: string, word: string, space: string, quote: string, name: string) => {
      const address = found.get(name);
      return address === undefined ? all : `${word}${space}${quote}${address}${quote}`;
    },
  );
}
