/**
 * A registry of npm for tarballs that are not published: packages are installed from it by name, as
 * they will be from the real one, by any package manager. It listens on this machine only.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import type { Tarball } from './pack.ts';

export interface Registry {
  /** What a package manager is given as its registry. */
  readonly url: string;
  close(): void;
}

/** Serves tarballs, and passes other packages on to `upstream`; without one there are no others. */
export async function serve(tarballs: readonly Tarball[], upstream?: string): Promise<Registry> {
  const byFile = new Map(tarballs.map((tarball) => [basename(tarball.path), tarball]));
  const byName = new Map(tarballs.map((tarball) => [tarball.manifest.name, tarball]));
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', url()).pathname).slice(1);
    const file = byFile.get(path.replace(/^-\//, ''));
    const named = byName.get(path);
    if (file !== undefined) response.end(readFileSync(file.path));
    else if (named !== undefined) sendJson(response, 200, packument(named, url()));
    else if (upstream === undefined) sendJson(response, 404, { error: `there is no ${path}` });
    else response.writeHead(302, { location: new URL(request.url ?? '', upstream).href }).end();
  });
  const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: url(), close: () => { server.close(); server.closeAllConnections(); } };
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

/** What a registry says of a package. */
function packument({ path, manifest }: Tarball, url: string): unknown {
  const { name, version } = manifest;
  const hash = createHash('sha512').update(readFileSync(path)).digest('base64');
  const dist = { tarball: `${url}-/${basename(path)}`, integrity: `sha512-${hash}` };
  return {
    name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } },
    // Package managers may wait until a version is some days old.
    time: { [version]: '2000-01-01T00:00:00.000Z' },
  };
}
