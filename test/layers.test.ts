/** Holds the sources to the design: imports go down only, without cycles, and size is limited. */
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  filledLines, folderReadmes, importsOf, programFiles, sourceFiles, type SourceFile,
} from './support/source.ts';

/** The packages and those below them. */
const packages: Record<string, readonly string[]> = {
  wasm: [],
  kernel: ['wasm'],
  tensor: ['wasm', 'kernel'],
  nn: ['tensor'],
  mamba: ['kernel', 'tensor', 'nn'],
  mambagrad: ['kernel', 'tensor', 'nn', 'mamba'],
};

/** What packages export apart, for the packages above and users' own layers. */
const parts: Record<string, readonly string[]> = {
  wasm: ['options'], tensor: ['extend', 'options', 'host'],
};

/** What packages export apart for one entry of the umbrella package, which passes it on. */
const passedOn: Record<string, string> = {
  '@mambagrad/nn/browser': 'mambagrad/browserModules.ts',
  '@mambagrad/nn/node': 'mambagrad/index.node.ts',
  '@mambagrad/mamba/testing': 'mambagrad/testing.ts',
};

/** Folders that may import what users install beside the package, and the entry that needs it. */
const peers = { specifier: 'fast-check', folder: 'mamba/testing', entry: 'mamba/testing.ts' };

/** The most characters of a line. */
const MOST_CHARACTERS = 100;
/** Longer lines that may be: to break the first of a test would indent all that it does. */
const mayBeLong = { 'the first line of a test': /^ *(?:describe|it|test)\b.* => \{$/ };

/** Files of one folder that are a layer each; those between `below` and `above` stand apart. */
const apart = {
  folder: 'tensor/ops', below: ['define.ts'], above: ['table.ts', 'methods.ts'],
};

/** The most lines of a file, blank ones left out. */
const MOST_LINES = 300;
/** The most lines of a function: it fits a screen. */
const MOST_LINES_OF_FUNCTION = 60;

const files = sourceFiles();
const nameOf = (file: SourceFile) => `${file.package}/${file.path}`;
const byName = new Map(files.map((file) => [nameOf(file), file]));

/** The file of the same package that a relative import names. */
function targetOf(file: SourceFile, specifier: string): string {
  return join(file.package, dirname(file.path), specifier);
}

/** The files of the same package that a file imports. */
function neighbours(file: SourceFile): string[] {
  return importsOf(file.text)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => targetOf(file, specifier));
}

/** Every cycle in a graph that is given by what follows each name. */
function cyclesOf(names: Iterable<string>, next: (name: string) => readonly string[]): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    const start = path.indexOf(name);
    if (start >= 0) cycles.push([...path.slice(start), name].join(' → '));
    if (start >= 0 || done.has(name)) return;
    for (const following of next(name)) visit(following, [...path, name]);
    done.add(name);
  };
  for (const name of names) visit(name, []);
  return cycles;
}

/** What each folder may import, as its README.md says: `Imports: \`core\`, \`autograd\`.` */
const imports = new Map(folderReadmes().map(({ folder, text }) => {
  const [, list = ''] = /^Imports: (.+)\.$/m.exec(text) ?? [];
  const names = [...list.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  return [folder, list === 'none' || names.length > 0 ? names : undefined] as const;
}));

const folderOf = (name: string) => dirname(name);

/** Every import that breaks a rule, as `file → import: why`. */
function violations(why: (file: SourceFile, specifier: string) => string | undefined): string[] {
  return files.flatMap((file) =>
    importsOf(file.text).flatMap((specifier) => {
      const reason = why(file, specifier);
      return reason === undefined ? [] : [`${nameOf(file)} → ${specifier}: ${reason}`];
    }),
  );
}

describe('imports', () => {
  test('name a file of the package, a lower package, or Node in a .node.ts file', () => {
    const found = violations((file, specifier) => {
      if (specifier.startsWith('.')) {
        if (!byName.has(targetOf(file, specifier))) return 'there is no such file in the package';
        const isForBrowsers = (path: string) => path.endsWith('.browser.ts');
        return isForBrowsers(file.path) || !isForBrowsers(specifier) ? undefined
          : 'only a .browser.ts file may';
      }
      if (specifier.startsWith('node:')) {
        return file.path.endsWith('.node.ts') ? undefined : 'only a .node.ts file may';
      }
      if (specifier === peers.specifier && folderOf(nameOf(file)) === peers.folder) {
        return undefined;
      }
      if (passedOn[specifier] === nameOf(file)) return undefined;
      const lower = packages[file.package].flatMap((name) => [
        `@mambagrad/${name}`, ...(parts[name] ?? []).map((part) => `@mambagrad/${name}/${part}`),
      ]);
      return lower.includes(specifier) ? undefined : `expected one of [${lower.join(', ')}]`;
    });
    expect(found).toEqual([]);
  });

  test('bring in no peer dependency but through the entry for it', () => {
    const needs = (name: string, seen = new Set<string>()): boolean => {
      if (seen.has(name)) return false;
      seen.add(name);
      const file = byName.get(name);
      if (file === undefined) return false;
      return importsOf(file.text).includes(peers.specifier) ||
        neighbours(file).some((next) => needs(next, seen));
    };
    const entries = [...byName.keys()].filter((name) => /^\w+\/\w+\.ts$/.test(name));
    expect(entries.filter((name) => needs(name))).toEqual([peers.entry]);
  });

  test('are those that the README of the folder names', () => {
    const folders = new Set(files.map((file) => folderOf(nameOf(file))));
    for (const name of Object.keys(packages)) folders.delete(name);
    expect([...imports.keys()].sort()).toEqual([...folders].sort());
    for (const [folder, names] of imports) {
      const [top] = folder.split('/');
      const unknown = names?.filter((name) => !folders.has(`${top}/${name}`));
      expect(unknown, `${folder}/README.md: Imports`).toEqual([]);
    }
    const found = violations((file, specifier) => {
      if (!specifier.startsWith('.')) return undefined;
      const [from, to] = [folderOf(nameOf(file)), folderOf(targetOf(file, specifier))];
      // Files beside `index.ts` are the doors of the package.
      if (from === file.package) return undefined;
      const allowed = [from, ...(imports.get(from) ?? []).map((name) => join(file.package, name))];
      return allowed.includes(to) ? undefined : `expected one of [${allowed.join(', ')}]`;
    });
    expect(found).toEqual([]);
  });

  test('go down only, from folder to folder', () => {
    const lower = (folder: string) =>
      (imports.get(folder) ?? []).map((name) => join(folder.split('/')[0], name));
    expect(cyclesOf(imports.keys(), lower)).toEqual([]);
  });

  test('do not go from one family of ops to another', () => {
    const heightOf = (name: string) => {
      const file = name.slice(apart.folder.length + 1);
      return apart.below.includes(file) ? 0 : apart.above.includes(file) ? 2 : 1;
    };
    const found = violations((file, specifier) => {
      if (!specifier.startsWith('.')) return undefined;
      const [from, to] = [nameOf(file), targetOf(file, specifier)];
      if (folderOf(from) !== apart.folder || folderOf(to) !== apart.folder) return undefined;
      const [above, below] = [heightOf(from), heightOf(to)];
      return above > below || above === 2 ? undefined : 'it is not below';
    });
    expect(found).toEqual([]);
  });

  test('have no cycles', () => {
    const next = (name: string) => {
      const file = byName.get(name);
      return file === undefined ? [] : neighbours(file);
    };
    expect(cyclesOf(byName.keys(), next)).toEqual([]);
  });
});

describe('size', () => {
  test(`no file has more than ${MOST_LINES} lines`, () => {
    const found = files
      .map((file) => ({ name: nameOf(file), lines: filledLines(file.text) }))
      .filter(({ lines }) => lines > MOST_LINES);
    expect(found).toEqual([]);
  });

  test(`no function has more than ${MOST_LINES_OF_FUNCTION} lines`, () => {
    const size = fileURLToPath(new URL('../scripts/size.mjs', import.meta.url));
    const report = execFileSync(process.execPath, [size], { encoding: 'utf8' });
    const [, longest] = /The longest of \d+ functions, in lines\n\n([^]*?)\n\n/.exec(report) ?? [];
    const found = (longest ?? '').split('\n').map((line) => line.trim());
    expect(found).toHaveLength(10);
    expect(found.filter((line) => Number.parseInt(line) > MOST_LINES_OF_FUNCTION)).toEqual([]);
  });

  test('no line has more than 100 characters', () => {
    const sources = files.map((file) => ({ path: nameOf(file), text: file.text }));
    const programs = programFiles();
    expect(programs.length).toBeGreaterThan(400);
    const found = [...sources, ...programs].flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, i) => {
        const isLong = [...line].length > MOST_CHARACTERS;
        const isAllowed = Object.values(mayBeLong).some((pattern) => pattern.test(line));
        return isLong && !isAllowed ? [`${path}:${i + 1}`] : [];
      }),
    );
    expect(found).toEqual([]);
  });
});
