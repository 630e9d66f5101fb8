/** The server: what it sends, what it refuses, and where it listens. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/book/src/serve.ts';

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const folder = mkdtempSync(join(tmpdir(), 'mambagrad-serve-'));
const text = '<p>text</p>\n'.repeat(200);
const servers: Server[] = [];
let port = 0;

/** Serves the folder, and gives the port. */
async function start(wanted: number): Promise<number> {
  const { server, url } = await serve(join(folder, 'site'), wanted);
  servers.push(server);
  expect(url).toBe(`http://localhost:${(server.address() as AddressInfo).port}/`);
  return (server.address() as AddressInfo).port;
}

/** Asks for a path as it is: not one that a client has put in order. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: 'localhost', port, path, method, headers, agent: false };
    const asked = request(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const { statusCode: status, headers: given } = answer;
        resolve({ status, headers: given, body: Buffer.concat(chunks) });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

beforeAll(async () => {
  mkdirSync(join(folder, 'site/a'), { recursive: true });
  for (const file of [
    'site/index.html', 'site/a/b.js', 'site/c.svg', 'site/d e.css', 'site-secret', 'secret.html',
  ]) {
    writeFileSync(join(folder, file), text);
  }
  writeFileSync(join(folder, 'site/small.js'), ';');
  writeFileSync(join(folder, 'site/e.bin'), Buffer.from([0, 255, 1]));
  port = await start(0);
});

afterAll(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true });
});

test.each([
  ['/', 'text/html; charset=utf-8'], ['/index.html?x#y', 'text/html; charset=utf-8'],
  ['/a/b.js', 'text/javascript; charset=utf-8'], ['/c.svg', 'image/svg+xml; charset=utf-8'],
  ['/d%20e.css', 'text/css; charset=utf-8'], ['/e.bin', 'application/octet-stream'],
])('%s is sent as %s, isolated', async (path, type) => {
  const { status, headers, body } = await ask(path);
  expect(status).toBe(200);
  expect(headers).toMatchObject({
    'content-type': type, 'content-length': String(body.length),
    'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp',
    'cross-origin-resource-policy': 'same-origin', 'x-content-type-options': 'nosniff',
  });
  expect(body.length).toBe(path === '/e.bin' ? 3 : text.length);
});

describe('text is compressed as the browser takes it', () => {
  test.each([
    ['gzip, deflate, br', 'br', brotliDecompressSync], ['gzip', 'gzip', gunzipSync],
    ['identity', undefined, (body: Buffer) => body],
  ])('%s', async (accepted, encoding, unpack) => {
    const { headers, body } = await ask('/', { 'accept-encoding': accepted });
    expect(headers['content-encoding']).toBe(encoding);
    expect(headers.vary).toBe('Accept-Encoding');
    expect(unpack(body).toString()).toBe(text);
    if (encoding !== undefined) expect(body.length).toBeLessThan(text.length / 10);
  });

  test('but not where nothing is gained', async () => {
    for (const path of ['/small.js', '/e.bin']) {
      const { headers } = await ask(path, { 'accept-encoding': 'br' });
      expect(headers['content-encoding']).toBeUndefined();
    }
  });
});

test.each([
  '/no.html', '/a', '/a/', '/../secret.html', '/..%2fsecret.html', '/%2e%2e/secret.html',
  '/a/../../secret.html',
  '/..\\secret.html', '/../site-secret', '//etc/passwd', '/%00', '/%', '/..%5csecret.html',
  '/index.html%00.js',
])('%s is not found', async (path) => {
  const { status, headers, body } = await ask(path);
  expect(status).toBe(404);
  expect(body.toString()).toBe('There is no such page\n');
  expect(headers['cross-origin-embedder-policy']).toBe('require-corp');
});

test('a browser gets the page for missing ones, whose links work at any address', async () => {
  const page =
    '<a href="a/b.html">, <script src="assets/x.js">, <body data-root=""> <a href="#c"> ' +
    '<a href="https://d.org"> <a href="/e">';
  const file = join(folder, 'site/404.html');
  writeFileSync(file, page);
  const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  for (const path of ['/no.html', '/a/very/deep.html', '/../secret.html', '/%', '/a/']) {
    const { status, headers, body } = await ask(path, browser);
    expect([status, headers['content-type']]).toEqual([404, 'text/html; charset=utf-8']);
    expect(body.toString()).toBe('<a href="/a/b.html">, <script src="/assets/x.js">, ' +
      '<body data-root="/"> <a href="#c"> <a href="https://d.org"> <a href="/e">');
  }
  expect((await ask('/a/b.js', browser)).status).toBe(200);
  expect((await ask('/no.js', { accept: '*/*' })).body.toString()).toBe('There is no such page\n');
  expect((await ask('/no.html', browser, 'HEAD')).body.length).toBe(0);
  rmSync(file);
});

test('a head has no body, and nothing can be sent', async () => {
  expect((await ask('/', {}, 'HEAD')).body.length).toBe(0);
  expect((await ask('/', {}, 'POST')).status).toBe(405);
});

describe('a port that is taken', () => {
  test('is passed over', async () => {
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, 'localhost', done));
    servers.push(taken);
    const wanted = (taken.address() as AddressInfo).port;
    const found = await start(wanted);
    expect(found).toBeGreaterThan(wanted);
    expect(found).toBeLessThanOrEqual(wanted + 20);
  });

  test('is an error if there is no other', async () => {
    const taken = createServer();
    const isOurs = await new Promise<boolean>((done) => {
      taken.on('error', () => done(false)).listen(65535, 'localhost', () => done(true));
    });
    if (isOurs) servers.push(taken);
    await expect(serve(folder, 65535)).rejects.toThrow(
      'port 65535 is taken, as are those before it: give another by --port',
    );
  });
});
