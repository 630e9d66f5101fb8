/**
 * A server of static files on this machine. Its pages are cross-origin isolated, so that they may
 * share memory between threads: https://web.dev/articles/coop-coep. Text is compressed.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { atAnyAddress, MISSING } from './missing.ts';

/** The types of files, by their ending. */
const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8', '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8', '.json': 'application/json; charset=utf-8',
  '.png': 'image/png', '.svg': 'image/svg+xml; charset=utf-8', '.wasm': 'application/wasm',
};

const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  // A site that is built again is seen at once.
  'Cache-Control': 'no-cache',
  Vary: 'Accept-Encoding',
};

/** How many ports after the wanted one are tried. */
const TRIES = 20;

/** A server, and its address. */
export interface Serving {
  readonly server: Server;
  readonly url: string;
}

/** Serves a folder on `port` of localhost or, if that is taken, on the next free one. */
export async function serve(folder: string, port: number): Promise<Serving> {
  const server = createServer((request, response) => void answer(folder, request, response));
  const found = await listen(server, port, port === 0 ? 0 : Math.min(port + TRIES, 65535));
  return { server, url: `http://localhost:${found}/` };
}

/** Listens on the first free port, and gives it. */
async function listen(server: Server, port: number, last: number): Promise<number> {
  try {
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(port, 'localhost', () => {
        server.off('error', fail);
        done();
      });
    });
    return (server.address() as AddressInfo).port;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    if (port >= last) {
      throw new Error(`port ${port} is taken, as are those before it: give another by --port`);
    }
    return listen(server, port + 1, last);
  }
}

async function answer(
  folder: string, request: IncomingMessage, response: ServerResponse,
): Promise<void> {
  const { method, url = '/', headers: { accept } } = request;
  if (method !== 'GET' && method !== 'HEAD') return end(response, 405, 'Only GET and HEAD');
  const path = fileOf(folder, url);
  const bytes = path === undefined ? undefined : await read(path);
  if (path !== undefined && bytes !== undefined) return send(request, response, 200, path, bytes);
  // A reader who asks for a page gets one; a script that asks for a file does not.
  const page = accept?.includes('text/html') ? await read(join(folder, MISSING)) : undefined;
  if (page === undefined) return end(response, 404, 'There is no such page');
  await send(request, response, 404, MISSING, Buffer.from(atAnyAddress(page.toString())));
}

async function send(
  { method, headers: asked }: IncomingMessage, response: ServerResponse, status: number,
  path: string, bytes: Buffer,
): Promise<void> {
  const type = types[extname(path)] ?? 'application/octet-stream';
  const { body, encoding } = await compressed(bytes, type, String(asked['accept-encoding'] ?? ''));
  response.writeHead(status, {
    ...headers, 'Content-Type': type, 'Content-Length': body.length,
    ...(encoding === undefined ? {} : { 'Content-Encoding': encoding }),
  });
  response.end(method === 'HEAD' ? undefined : body);
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

/** The file that an address names; undefined if it is not in the folder. */
function fileOf(folder: string, url: string): string | undefined {
  let path: string;
  try {
    path = decodeURIComponent(url.replace(/[?#].*$/s, ''));
  } catch {
    return undefined;
  }
  const file = resolve(join(folder, path.endsWith('/') ? `${path}index.html` : path));
  const isInside = file.startsWith(resolve(folder) + sep);
  return isInside && !file.includes('\0') ? file : undefined;
}

async function read(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch {
    return undefined;
  }
}

const isText = /^text\/|json|javascript|svg/;

/** A body as it is sent: text by Brotli or gzip, if the browser takes that. */
async function compressed(
  bytes: Buffer, type: string, accepted: string,
): Promise<{ body: Buffer; encoding: string | undefined }> {
  if (!isText.test(type) || bytes.length < 1000) return { body: bytes, encoding: undefined };
  if (/\bbr\b/.test(accepted)) {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 5 };
    return { body: await promisify(brotliCompress)(bytes, { params }), encoding: 'br' };
  }
  if (/\bgzip\b/.test(accepted)) return { body: await promisify(gzip)(bytes), encoding: 'gzip' };
  return { body: bytes, encoding: undefined };
}
