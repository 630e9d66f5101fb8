/**
 * The tarballs of the packages, as users get them: what is in them, and whether they can be
 * installed, type-checked and used. It needs npm and no network; `npm run consumers` tries more
 * engines, compilers and bundlers. The packages have to be compiled: `npm test` does so.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run, runWell } from '../../scripts/publish/src/command.ts';
import { serveWithOthers } from '../../scripts/publish/src/consume.ts';
import {
  type Consumer, install, trainAndUse, typeCheck, writePages,
} from '../../scripts/publish/src/consumer.ts';
import { readManifest, root } from '../../scripts/publish/src/manifest.ts';
import { packAll, type Tarball } from '../../scripts/publish/src/pack.ts';
import { oneOf } from '../support/soak.ts';

const folder = mkdtempSync(join(tmpdir(), 'mambagrad-consumer-'));
afterAll(() => rmSync(folder, { recursive: true }));

let tarballs: Tarball[] = [];
beforeAll(async () => {
  tarballs = await packAll(join(folder, 'tarballs'), join(folder, 'staging'));
});

const textOf = ({ manifest }: Tarball, path: string): string => {
  const name = manifest.name.replace('@mambagrad/', '');
  return readFileSync(join(folder, 'staging', name, path), 'utf8');
};

describe('a tarball', () => {
  test('has compiled files, README and LICENSE, and nothing twice', () => {
    for (const { files, manifest } of tarballs) {
      const others = files.filter((path) => !/^dist\/.*(?:\.js|\.d\.ts)$/.test(path));
      expect(others, manifest.name).toEqual(['LICENSE', 'README.md', 'package.json']);
      const modules = files.filter((path) => path.endsWith('.js'));
      const types = files.filter((path) => path.endsWith('.d.ts'));
      expect(types).toEqual(modules.map((path) => path.replace(/\.js$/, '.d.ts')));
    }
  });

  test('names no file that is not in it', () => {
    for (const tarball of tarballs) {
      for (const path of tarball.files.filter((each) => each.startsWith('dist'))) {
        const text = textOf(tarball, path);
        const where = `${tarball.manifest.name} ${path}`;
        expect(text, where).not.toContain('sourceMappingURL');
        const found = [...text.matchAll(/^(?:import|export)[^;]* from '(\.[^']+)';$/gm)];
        const targets = found.map(([, specifier]) => join(path, '..', specifier));
        const isThere = (target: string) => tarball.files.includes(target.replaceAll('\\', '/'));
        expect(targets.filter((target) => !isThere(target)), where).toEqual([]);
      }
    }
  });

  test('has declarations for TypeScript before 5.7', () => {
    for (const tarball of tarballs) {
      for (const path of tarball.files.filter((each) => each.endsWith('.d.ts'))) {
        expect(textOf(tarball, path), path).not.toMatch(/Array<ArrayBuffer(?:Like)?>/);
      }
    }
  });

  test('says in its package.json all that npm and users ask', () => {
    for (const { manifest, files } of tarballs) {
      const text = JSON.stringify(manifest);
      expect(text).not.toMatch(/workspace:|@mambagrad\/source|"src/);
      expect(manifest['license']).toBe('MIT');
      expect(manifest['publishConfig']).toEqual({ access: 'public' });
      expect((manifest['keywords'] as string[]).length).toBeGreaterThan(4);
      expect(manifest.exports['./package.json']).toBe('./package.json');
      const entries = Object.values(manifest.exports).filter((entry) => typeof entry !== 'string');
      const named = entries.flatMap((entry) => Object.values(entry)).concat(
        String(manifest['main']), String(manifest['types']),
      );
      expect(named.filter((path) => !files.includes(path.slice(2)))).toEqual([]);
    }
  });
});

describe('versions', () => {
  test('of all packages are the same, and dependencies ask for it exactly', () => {
    const [{ manifest: { version } }] = tarballs;
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    for (const { manifest } of tarballs) {
      expect(manifest.version, manifest.name).toBe(version);
      for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
        expect(range, `${manifest.name} → ${name}`).toBe(version);
      }
    }
  });

  test('have a section of the changelog, the first one', () => {
    const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
    const [, version] = /^## (\d+\.\d+\.\d+)/m.exec(changelog) ?? [];
    expect(version).toBe(readManifest('mambagrad').version);
  });
});

describe('a project that installs them', () => {
  const npm = { name: 'npm', version: '', command: ['npm'] } as const;
  const compiler = {
    name: 'TypeScript', version: '',
    command: [process.execPath, join(root, 'node_modules/typescript/bin/tsc')],
  } as const;
  const node = { name: 'Node', version: '', command: [process.execPath] } as const;
  const checks = { module: 'nodenext', skipLibCheck: false } as const;
  let consumer: Consumer;

  beforeAll(async () => {
    const registry = await serveWithOthers(tarballs, join(folder, 'others'));
    const packages = ['mambagrad', 'fast-check', '@types/node'];
    consumer = await install(join(folder, 'project'), npm, registry.url, packages);
    registry.close();
  });

  test('compiles in a strict project, with every page of the documentation', async () => {
    expect(writePages(consumer).length).toBeGreaterThan(20);
    const { output } = await typeCheck(consumer, compiler, ['src'], checks, true);
    expect(output).toBe('');
  });

  test('trains, saves, and loads the same model, in a page, too; and tests scans and ops', async () => {
    const { code, output } = await trainAndUse(consumer, node);
    expect(output).toMatch(/^(?:[0-9a-f]{8} ?){3}\n$/);
    expect(code).toBe(0);
    // In a browser there are no files.
    const programs = { testing: 'checked\n', bundle: output, browser: 'the same\n' };
    for (const [name, expected] of oneOf(Object.entries(programs))) {
      const place = { cwd: consumer.folder };
      const { output: found } = await runWell(process.execPath, [`dist/${name}.js`], place);
      expect(found, name).toBe(expected);
    }
  });

  test('has one file for pages without a bundler, which imports nothing', () => {
    const umbrella = tarballs.find(({ manifest: { name } }) => name === 'mambagrad');
    expect(umbrella && textOf(umbrella, 'dist/browser.js')).not.toMatch(/^import\b/m);
  });

  test('can be required by a module of the old kind', async () => {
    const code = "console.log(require('mambagrad').tensor([1, 2]).sum().item())";
    const { output } = await run(process.execPath, ['-e', code], { cwd: consumer.folder });
    expect(output.split('\n')[0]).toBe('3');
  });
});
