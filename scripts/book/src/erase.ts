/**
 * Erases types: TypeScript becomes JavaScript in which each line is where it was.
 *
 *     const f = (x: number): number => x / 2;    source
 *     const f = (x) => x / 2;                    erased
 *
 * The compiler says which tokens are left. It moves none and adds none, so they are found by going
 * through the source and what it has written side by side, with the help of the source map, which
 * says where names and statements were. Comments stay with what they are of.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../bundle/packages.ts';
import { type Token, tokensOf } from '../../bundle/tokens.ts';

const compilerOptions = {
  target: 'esnext', module: 'esnext', moduleResolution: 'bundler', moduleDetection: 'force',
  verbatimModuleSyntax: true, rootDir: '.', outDir: 'out', sourceMap: true,
  // Only types are erased here. That they are right is looked at elsewhere.
  noCheck: true, noResolve: true, lib: ['es5'], types: [],
};

/** What the compiler makes of a module. */
export interface Compiled {
  readonly code: string;
  /** Where pieces of the code were in the source. */
  readonly places: ReadonlyMap<string, string>;
}

/** Modules that were compiled before, by their source. */
const cache = new Map<string, Compiled>();

/**
 * The JavaScript that the compiler makes of modules, each of which it compiles once. Throws if one
 * of them has a syntax error.
 */
export function compileAll(sources: readonly string[]): Compiled[] {
  const missing = [...new Set(sources)].filter((source) => !cache.has(source));
  if (missing.length > 0) {
    compile(missing).forEach((compiled, i) => cache.set(missing[i], compiled));
  }
  return sources.flatMap((source) => cache.get(source) ?? []);
}

function compile(sources: readonly string[]): Compiled[] {
  const folder = mkdtempSync(join(tmpdir(), 'mambagrad-erase-'));
  try {
    mkdirSync(join(folder, 'out'));
    const files = sources.map((_, i) => `${i}.ts`);
    files.forEach((file, i) => writeFileSync(join(folder, file), sources[i]));
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const args = [tsc, '-p', folder, '--pretty', 'false'];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: folder });
    if (status !== 0) throw new Error(`types cannot be erased:\n${stdout.trim()}`);
    return files.map((_, i) => {
      const read = (name: string) => readFileSync(join(folder, 'out', name), 'utf8');
      const { mappings } = JSON.parse(read(`${i}.js.map`)) as { mappings: string };
      // The first line marks a module that has no other export or import, the second names the map.
      const code = read(`${i}.js`)
        .replace(/^export \{\};\n?/m, '').replace(/^\/\/# source.*\n?/m, '');
      return { code, places: placesOf(mappings) };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A source without its types, given what the compiler has made of it. */
export function eraseTypes(source: string, compiled: Compiled): string {
  const tokens = tokensOf(source);
  const kept = keptTokens(source, tokens, compiled);
  let code = '';
  let isErased = false;
  tokens.forEach((token, i) => {
    if (token.kind === 'whitespace') {
      // The space around what is erased is that of one side.
      code += isErased && /\s$/.test(code) ? lineBreaks(token.text) : token.text;
    } else if (token.kind === 'comment' ? keepsComment(tokens, kept, i) : kept.has(i)) {
      const closes = token.kind === 'template' || /^[),;\]]/.test(token.text);
      if (isErased && closes) code = code.replace(/ +$/, '');
      code += token.text;
      isErased = false;
    } else {
      code += lineBreaks(token.text);
      isErased = true;
    }
  });
  return code.replaceAll(/[^\S\n]+$/gm, '');
}

const lineBreaks = (text: string): string => text.replaceAll(/[^\n]/g, '');

/** A comment behind the code of a line belongs to that code, any other to what follows. */
function keepsComment(tokens: readonly Token[], kept: ReadonlySet<number>, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && !isSignificant(tokens[before])) before--;
  const between = tokens.slice(before + 1, at).map(({ text }) => text).join('');
  if (before >= 0 && !between.includes('\n')) return kept.has(before);
  let after = at + 1;
  while (after < tokens.length && !isSignificant(tokens[after])) after++;
  return after === tokens.length || kept.has(after);
}

const isSignificant = ({ kind }: Token): boolean => kind !== 'whitespace' && kind !== 'comment';

/** The tokens that the compiler has left, by their numbers. */
function keptTokens(source: string, tokens: readonly Token[], compiled: Compiled): Set<number> {
  const kept = new Set<number>();
  const positionIn = positions(source);
  const numbers = new Map(tokens.map(({ start }, i) => [positionIn(start), i]));
  const positionOf = positions(compiled.code);
  let next = 0;
  for (const { text, start } of tokensOf(compiled.code).filter(isSignificant)) {
    const mapped = numbers.get(compiled.places.get(positionOf(start)) ?? '') ?? -1;
    let found = mapped >= next && tokens[mapped].text === text ? mapped : next;
    while (
      found < tokens.length && !(tokens[found].text === text && isSignificant(tokens[found]))
    ) {
      found += 1;
    }
    if (found === tokens.length) {
      throw new Error(`the compiler has added \`${text}\` behind \`${tokens[next - 1]?.text}\``);
    }
    kept.add(found);
    next = found + 1;
  }
  return kept;
}

/** A function that gives the line and column of an offset, as `3:14`, counted from 0. */
function positions(text: string): (offset: number) => string {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return (offset) => {
    const line = starts.findLastIndex((start) => start <= offset);
    return `${line}:${offset - starts[line]}`;
  };
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * The places of a source map. Its lines are parted by `;` and its segments by `,`. A segment has
 * four numbers or five, of which these are read: the column in the code, and the line and the
 * column in the source, each as the difference from the one before. A number is written in digits
 * of base 64: five bits each, the lowest first, and one that says whether more follow; its first
 * bit is the sign.
 */
function placesOf(mappings: string): Map<string, string> {
  const places = new Map<string, string>();
  let [line, column] = [0, 0];
  mappings.split(';').forEach((segments, codeLine) => {
    let codeColumn = 0;
    for (const segment of segments.split(',').filter((text) => text !== '')) {
      const numbers = [...segment.matchAll(/[g-z0-9+/]*[A-Za-f]/g)].map(([text]) => {
        const value = [...text].reduceRight((sum, digit) =>
          sum * 32 + (digits.indexOf(digit) & 31), 0);
        return value & 1 ? -(value >> 1) : value >> 1;
      });
      const [byColumn, , byLine = 0, bySourceColumn = 0] = numbers;
      codeColumn += byColumn;
      line += byLine;
      column += bySourceColumn;
      places.set(`${codeLine}:${codeColumn}`, `${line}:${column}`);
    }
  });
  return places;
}
