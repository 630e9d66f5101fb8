/** The sources of the packages as text: their files, their imports, their code without comments. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export interface SourceFile {
  readonly package: string;
  /** Its path below the package's src. */
  readonly path: string;
  readonly text: string;
}

const packages = new URL('../../packages/', import.meta.url);

/** Every file of packages/NAME/src. */
export function sourceFiles(): SourceFile[] {
  return readdirSync(packages).flatMap((name) => {
    const src = new URL(`${name}/src/`, packages);
    if (!existsSync(src)) return [];
    return readdirSync(src, { recursive: true })
      .map((path) => String(path).replaceAll('\\', '/'))
      .filter((path) => path.endsWith('.ts'))
      .sort()
      .map((path) => ({ package: name, path, text: readFileSync(new URL(path, src), 'utf8') }));
  });
}

/** The folders beside the packages that hold programs, and what no person writes in them. */
const programs = ['bench', 'examples', 'exercises', 'scripts', 'test'];
const made = /(?:^|\/)(?:dist|generated|node_modules|vectors)\//;

/** Every file of code beside the packages: tests, examples, exercises, benchmarks and scripts. */
export function programFiles(): { readonly path: string; readonly text: string }[] {
  const root = new URL('../', packages);
  return programs.flatMap((folder) =>
    readdirSync(new URL(`${folder}/`, root), { recursive: true })
      .map((path) => `${folder}/${String(path).replaceAll('\\', '/')}`)
      .filter((path) => /\.m?[jt]s$/.test(path) && !made.test(path))
      .sort()
      .map((path) => ({ path, text: readFileSync(new URL(path, root), 'utf8') })),
  );
}

/** The README.md of every folder below packages/NAME/src, with the folder as `NAME/path`. */
export function folderReadmes(): { readonly folder: string; readonly text: string }[] {
  return [...new Set(sourceFiles().map((file) => file.package))].flatMap((name) => {
    const src = new URL(`${name}/src/`, packages);
    return readdirSync(src, { recursive: true })
      .map((path) => String(path).replaceAll('\\', '/'))
      .filter((path) => path.endsWith('/README.md'))
      .map((path) => ({
        folder: `${name}/${path.slice(0, -'/README.md'.length)}`,
        text: readFileSync(new URL(path, src), 'utf8'),
      }));
  });
}

/** What a file imports or exports from, types included; a `declare module` is neither. */
export function importsOf(text: string): string[] {
  const from = /(?<=^|;)\s*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'/.source;
  const effect = /(?<=^|;)\s*import\s*'([^']+)'/.source;
  const dynamic = /\bimport\(\s*'([^']+)'/.source;
  const statement = new RegExp([from, effect, dynamic].join('|'), 'gm');
  return [...withoutComments(text).matchAll(statement)].map(
    ([, ...specifiers]) => specifiers.find((specifier) => specifier !== undefined) ?? '',
  );
}

/** The lines that hold code: neither blank nor a comment. */
export function codeLines(text: string): number {
  return filledLines(withoutComments(text));
}

/** The lines that are not blank. */
export function filledLines(text: string): number {
  return text.split('\n').filter((line) => line.trim() !== '').length;
}

/** The text with every comment gone, and every line break where it was. */
export function withoutComments(text: string): string {
  return text.replaceAll(literalOrComment, (match) =>
    /^\/[/*]/.test(match) ? match.replaceAll(/[^\n]/g, '') : match,
  );
}

/** Strings, templates and regular expressions are matched as well: they may look like comments. */
const literalOrComment = new RegExp(
  [
    /\/\/[^\n]*/,
    /\/\*[^]*?\*\//,
    /'(?:\\.|[^'\\\n])*'/,
    /"(?:\\.|[^"\\\n])*"/,
    /`(?:\\[^]|[^`\\])*`/,
    // After an operator or a bracket a slash begins a regular expression, else it divides.
    /(?<=(?:^|[(,=:[!&|?{};+*%~^<>-]|\breturn)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*]|[^/\\[\n])+\//,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);
