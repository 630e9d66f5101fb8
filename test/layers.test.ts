/** Holds the sources to the design: imports go down only, without cycles, and size is limited. */
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { filledLines, importsOf, sourceFiles, type SourceFile } from './support/source.ts';

/** The packages and those below them. */
const packages: Record<string, readonly string[]> = {
  wasm: [],
  kernel: ['wasm'],
  tensor: ['wasm', 'kernel'],
  nn: ['tensor'],
  mamba: ['kernel', 'tensor', 'nn'],
};

/** What packages export apart, for the packages above and users' own layers. */
const parts: Record<string, readonly string[]> = { wasm: ['options'], tensor: ['options', 'host'] };

/**
 * The layers of each package from the lowest up: `folder/`, `file`, or `*` for all other files.
 * A file imports from its own layer or lower ones; with `apart`, never from its own.
 */
const layers: Record<string, readonly { readonly files: string[]; readonly apart?: true }[]> = {
  tensor: [
    { files: ['*'] },
    { files: ['autograd', 'functional', 'gradcheck'] },
    { files: ['ops/define'] },
    { files: ['ops/'], apart: true },
    { files: ['ops/table'] },
    { files: ['methods'] },
    { files: ['compile/'] },
    { files: ['index'] },
  ],
  wasm: [{ files: ['*'] }, { files: ['index'] }],
  kernel: [{ files: ['*'] }, { files: ['index'] }],
  nn: [{ files: ['*'] }, { files: ['index'] }],
  mamba: [{ files: ['*'] }, { files: ['index'] }],
};

/** The most lines of a file, blank ones left out. */
const MOST_LINES = 300;
/** The most lines of a function: it fits a screen. */
const MOST_LINES_OF_FUNCTION = 60;

const files = sourceFiles();
const nameOf = (file: SourceFile) => `${file.package}/${file.path}`;
const byName = new Map(files.map((file) => [nameOf(file), file]));

/** The files of the same package that a file imports. */
function neighbours(file: SourceFile): string[] {
  return importsOf(file.text)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => join(file.package, dirname(file.path), specifier));
}

/** The height of a file's layer: that of its own name, else of its folder, else of `*`. */
function layerOf(file: SourceFile): number {
  const folders = file.path.split('/').slice(0, -1);
  const names = [
    file.path.replace(/\.ts$/, ''),
    ...folders.map((_, depth) => `${folders.slice(0, depth + 1).join('/')}/`).reverse(),
    '*',
  ];
  const table = layers[file.package];
  return names
    .map((name) => table.findIndex((layer) => layer.files.includes(name)))
    .find((index) => index >= 0) ?? 0;
}

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
        const target = join(file.package, dirname(file.path), specifier);
        return byName.has(target) ? undefined : 'there is no such file in the package';
      }
      if (specifier.startsWith('node:')) {
        return file.path.endsWith('.node.ts') ? undefined : 'only a .node.ts file may';
      }
      const lower = packages[file.package].flatMap((name) => [
        `@mambagrad/${name}`, ...(parts[name] ?? []).map((part) => `@mambagrad/${name}/${part}`),
      ]);
      return lower.includes(specifier) ? undefined : `expected one of [${lower.join(', ')}]`;
    });
    expect(found).toEqual([]);
  });

  test('go down only', () => {
    const found = violations((file, specifier) => {
      if (!specifier.startsWith('.')) return undefined;
      const target = byName.get(join(file.package, dirname(file.path), specifier));
      if (target === undefined) return undefined;
      const [from, to] = [layerOf(file), layerOf(target)];
      if (to > from) return 'it is in a higher layer';
      const isApart = layers[file.package][from].apart ?? false;
      return to === from && isApart ? 'files of this layer do not import each other' : undefined;
    });
    expect(found).toEqual([]);
  });

  test('have no cycles', () => {
    const cycles: string[] = [];
    const done = new Set<string>();
    const visit = (name: string, path: readonly string[]): void => {
      const start = path.indexOf(name);
      if (start >= 0) cycles.push([...path.slice(start), name].join(' → '));
      if (start >= 0 || done.has(name)) return;
      const file = byName.get(name);
      if (file !== undefined) for (const next of neighbours(file)) visit(next, [...path, name]);
      done.add(name);
    };
    for (const name of byName.keys()) visit(name, []);
    expect(cycles).toEqual([]);
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
    const found = files.flatMap((file) =>
      file.text.split('\n').flatMap((line, i) => {
        const isLong = [...line].length > 100;
        return isLong ? [`${nameOf(file)}:${i + 1}`] : [];
      }),
    );
    expect(found).toEqual([]);
  });
});
