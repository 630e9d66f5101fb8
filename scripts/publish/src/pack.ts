/**
 * Makes a tarball of each package. What is packed is what runs and what compilers read: .js and
 * .d.ts files, README.md and LICENSE. The JavaScript is the TypeScript without its types, comments
 * included, so the sources are not packed beside it, nor maps to them. One file is a bundle:
 * `mambagrad/browser`.
 */
import {
  copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { browserModule } from '../../bundle/packages.ts';
import { runWell } from './command.ts';
import { type Manifest, packageFolders, publishedManifest, root } from './manifest.ts';

/** A tarball, as npm made it. */
export interface Tarball {
  readonly path: string;
  readonly manifest: Manifest;
  /** Its files, with a path relative to the package. */
  readonly files: readonly string[];
  /** Bytes of the tarball, and of its files. */
  readonly size: number;
  readonly unpackedSize: number;
}

/** Packs every package into `target`, by way of folders below `staging`. */
export async function packAll(target: string, staging: string): Promise<Tarball[]> {
  mkdirSync(target, { recursive: true });
  const staged = packageFolders().map((folder) => {
    const to = join(staging, folder);
    stage(folder, to);
    return to;
  });
  return packFolders(staged, target);
}

interface NpmTarball {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
  readonly size: number;
  readonly unpackedSize: number;
}

/** Packs folders as they are, which needs npm, and no network. */
export async function packFolders(folders: readonly string[], target: string): Promise<Tarball[]> {
  const options = ['--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', target];
  const { output } = await runWell('npm', ['pack', ...options, ...folders], { cwd: target });
  const packed = JSON.parse(output.slice(output.indexOf('['))) as readonly NpmTarball[];
  return packed.map(({ filename, files, size, unpackedSize }, i) => ({
    path: join(target, filename.replace('@', '').replace('/', '-')),
    manifest: JSON.parse(readFileSync(join(folders[i], 'package.json'), 'utf8')) as Manifest,
    files: files.map(({ path }) => path).sort(),
    size,
    unpackedSize,
  }));
}

/** Copies what is packed of a package into a folder. */
function stage(folder: string, to: string): void {
  const from = join(root, 'packages', folder);
  if (!existsSync(join(from, 'dist'))) {
    throw new Error(`packages/${folder} is not compiled: run \`npm run build\` first`);
  }
  for (const path of compiledFiles(from)) {
    const text = readFileSync(join(from, 'dist', path), 'utf8');
    mkdirSync(dirname(join(to, 'dist', path)), { recursive: true });
    writeFileSync(join(to, 'dist', path), published(path, text));
  }
  if (folder === 'mambagrad') writeFileSync(join(to, 'dist/browser.js'), browserModule());
  copyFileSync(join(root, 'LICENSE'), join(to, 'LICENSE'));
  copyFileSync(join(from, 'README.md'), join(to, 'README.md'));
  const manifest = { ...publishedManifest(folder), files: ['dist'] };
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** The files in dist that belong to a source; of sources that are gone, old ones may be left. */
function compiledFiles(from: string): string[] {
  return readdirSync(join(from, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && statSync(join(from, 'src', path)).isFile())
    .flatMap((path) => ['.js', '.d.ts'].map((ending) => path.replace(/\.ts$/, ending)));
}

/**
 * A compiled file without the line that names its map. Declarations name each other as `./a.ts`,
 * which not all tools follow to a.d.ts; with `./a.js` they do. And they say where the bytes of a
 * typed array are, which TypeScript knows since 5.7; the type of what `slice` gives is the same
 * there, and is known before.
 */
function published(path: string, text: string): string {
  const code = text.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, '\n');
  if (!path.endsWith('.d.ts')) return code;
  return code
    .replaceAll(
      /^((?:import|export|declare module)\b[^;'"]*?|.*\bimport\()'(\.[^']*)\.ts'/gm,
      (_, before: string, specifier: string) => `${before}'${specifier}.js'`,
    )
    .replaceAll(/\b(\w+Array)<ArrayBuffer>/g, "ReturnType<$1['slice']>");
}
