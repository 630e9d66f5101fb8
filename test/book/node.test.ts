/** The stand-ins for modules of Node do what those of Node do. */
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import * as nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import * as nodePath from 'node:path/posix';
import { describe, expect, test } from 'vitest';
import * as crypto from '../../scripts/book/worker/node/crypto.ts';
import * as fs from '../../scripts/book/worker/node/fs.ts';
import * as path from '../../scripts/book/worker/node/path.ts';

test('paths', () => {
  const parts =
    fc.array(fc.constantFrom('/', 'a', 'bc', '.', '..', 'd.ts', '', '.e'), { maxLength: 8 })
    .map((all) => all.join(''));
  fc.assert(fc.property(parts, parts, parts, (a, b, c) => {
    expect(path.normalize(a)).toBe(nodePath.normalize(a));
    expect(path.join(a, b, c)).toBe(nodePath.join(a, b, c));
    expect(path.resolve('/', a, b)).toBe(nodePath.resolve('/', a, b));
    if (!a.includes('//')) expect(path.dirname(a)).toBe(nodePath.dirname(a));
    expect(path.basename(a)).toBe(nodePath.basename(a));
    expect(path.extname(a)).toBe(nodePath.extname(a));
    expect(path.relative(`/${a}`, `/${b}`)).toBe(nodePath.relative(`/${a}`, `/${b}`));
  }), { numRuns: 500 });
});

test('hashes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const own = crypto.createHash('sha256').update(bytes).digest('hex');
    expect(own).toBe(createHash('sha256').update(bytes).digest('hex'));
  }));
  expect(crypto.randomUUID()).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});

describe('files', () => {
  /** Nothing where a file is taken for a folder: Node 20 throws there, later ones do not. */
  function statOf(all: Pick<typeof fs, 'statSync'>, path: string) {
    try {
      return all.statSync(path, { throwIfNoEntry: false });
    } catch {
      return undefined;
    }
  }

  /** What a call gives, or that it throws: systems differ in which of two errors they report. */
  function outcome(call: () => unknown): unknown {
    try {
      return call();
    } catch {
      return 'an error';
    }
  }

  type Fs = Pick<typeof fs, keyof typeof fs & keyof typeof nodeFs>;
  const file = fc.constantFrom('a', 'b', 'a/b', 'a/c', 'd/e');
  const name = fc.oneof(file, fc.constant(''));
  const call: fc.Arbitrary<(fs: Fs, root: string) => unknown> = fc.oneof(
    name.map((to) =>
      (all: Fs, root: string) => void all.mkdirSync(`${root}/${to}`, { recursive: true }),
    ),
    name.map((to) => (all: Fs, root: string) => all.mkdirSync(`${root}/${to}`)),
    fc.tuple(file, fc.string()).map(([to, text]) => (all: Fs, root: string) =>
      all.writeFileSync(`${root}/${to}`, text)),
    fc.tuple(file, fc.string()).map(([to, text]) => (all: Fs, root: string) =>
      all.appendFileSync(`${root}/${to}`, text)),
    name.map((from) => (all: Fs, root: string) => all.readFileSync(`${root}/${from}`, 'utf8')),
    name.map((from) => (all: Fs, root: string) => all.existsSync(`${root}/${from}`)),
    name.map((from) => (all: Fs, root: string) =>
      [...all.readdirSync(`${root}/${from}`, { recursive: true })].sort(),
    ),
    fc.tuple(name, fc.boolean(), fc.boolean()).map(([from, recursive, force]) =>
      (all: Fs, root: string) =>
      all.rmSync(`${root}/x${from}`, { recursive, force })),
    name.map((from) =>
      (all: Fs, root: string) => all.rmSync(`${root}/${from}`, { recursive: true }),
    ),
    name.map((from) => (all: Fs, root: string) => {
      const found = statOf(all, `${root}/${from}`);
      return [found?.isFile(), found?.isDirectory(), found?.isFile() ? found.size : 0];
    }),
    fc.tuple(
      file, fc.constantFrom('r', 'w', 'wx', 'a'), fc.nat(9), fc.integer({ min: 1, max: 9 }),
    ).map(([to, flags, start, length]) =>
      (all: Fs, root: string) => {
        const file = all.openSync(`${root}/${to}`, flags);
        try {
          if (flags !== 'r') all.writeFileSync(file, 'new text');
          const bytes = new Uint8Array(12);
          return flags === 'r' ? [all.readSync(file, bytes, 1, length, start), ...bytes]
            : all.fstatSync(file).size;
        } finally {
          all.closeSync(file);
        }
      }),
  );

  test('are written and read as on a disk', () => {
    fc.assert(fc.property(fc.array(call, { maxLength: 12 }), (calls) => {
      const own = fs.mkdtempSync('/tmp/x-');
      const real = nodeFs.mkdtempSync(`${tmpdir()}/x-`);
      try {
        for (const each of calls) {
          const expected = outcome(() => each(nodeFs as unknown as Fs, real));
          expect(outcome(() => each(fs, own)) ?? null).toEqual(expected ?? null);
        }
      } finally {
        nodeFs.rmSync(real, { recursive: true, force: true });
      }
    }), { numRuns: 200 });
  });

  test('are renamed as a whole', () => {
    const folder = fs.mkdtempSync('/tmp/x-');
    fs.writeFileSync(`${folder}/a`, 'new');
    fs.writeFileSync(`${folder}/b`, 'old');
    fs.renameSync(`${folder}/a`, `${folder}/b`);
    expect(fs.readdirSync(folder)).toEqual(['b']);
    expect(fs.readFileSync(`${folder}/b`, 'utf8')).toBe('new');
    expect(() => fs.renameSync(`${folder}/a`, `${folder}/b`)).toThrow(
      "ENOENT: no such file or directory, rename",
    );
  });
});
