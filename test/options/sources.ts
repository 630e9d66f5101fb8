/** Where the packages read options, and the defaults that the docstrings of options give. */
import { sourceFiles, withoutComments } from '../support/source.ts';

const files = sourceFiles();

/** Every place that reads options, as `package/file:line`. */
export function placesThatRead(): string[] {
  return files
    .filter(({ path }) => path !== 'options.ts')
    .flatMap((file) =>
      withoutComments(file.text).split('\n').flatMap((line, i) =>
        /(?<!#)\breadOptions\(/.test(line) ? [`${file.package}/src/${file.path}:${i + 1}`] : [],
      ),
    );
}

/** The fields of an interface with their docstrings, and the types that it is made of. */
interface Declaration {
  readonly fields: ReadonlyMap<string, string>;
  readonly from: readonly string[];
}

const declarations = new Map<string, Declaration>();
for (const { package: name, text } of files) {
  for (const [, type, head, body] of text.matchAll(/interface (\w+)([^{]*)\{\n([^]*?)\n\}/g)) {
    const fields = new Map<string, string>();
    for (const [, doc, key] of body.matchAll(
      /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*readonly (\w+)\??:/g,
    )) {
      fields.set(key, doc.replaceAll(/\s*\n\s*\*\s*/g, ' ').trim());
    }
    declarations.set(`${name} ${type}`, { fields, from: namesIn(head) });
  }
  for (const [, type, rest] of text.matchAll(/export type (\w+Options)\w* =([^;]*);/g)) {
    declarations.set(`${name} ${type}`, { fields: new Map(), from: namesIn(rest) });
  }
}

function namesIn(text: string): string[] {
  return Array.from(text.matchAll(/\b[A-Z]\w*(?:Options|Flags|Group)\b/g), ([name]) => name);
}

/** The docstring of an option of interfaces of a package, or of those that they extend. */
function docOf(packageName: string, types: readonly string[], key: string): string | undefined {
  for (const type of types) {
    const own = declarations.get(`${packageName} ${type}`);
    const declaration = own ?? [...declarations].find(([name]) => name.endsWith(` ${type}`))?.[1];
    if (declaration === undefined) continue;
    const doc = declaration.fields.get(key) ?? docOf(packageName, declaration.from, key);
    if (doc !== undefined) return doc;
  }
  return undefined;
}

/**
 * The default of an option by its docstring, `Default 1; of BiMamba 4.`, in the class or function
 * of this name; undefined if it has none, or none that is a literal.
 */
export function documentedDefault(
  packageName: string, types: readonly string[], key: string, of: string,
): { readonly value: unknown } | undefined {
  const doc = docOf(packageName, types, key) ?? '';
  const [, text = ''] = /\bDefault (.*)$/.exec(doc) ?? [];
  const clauses = text.split(/;\s*/).filter((clause) => /^of /.test(clause));
  const own = clauses.find((clause) => new RegExp(`\\b${of}\\b`).test(clause));
  return literalIn(own?.replace(/^.* /, '') ?? text);
}

/** Whether an option has a docstring at all. */
export function isDocumented(
  packageName: string, types: readonly string[], key: string,
): boolean {
  return docOf(packageName, types, key) !== undefined;
}

/** The literal at the start of a text, up to the end of its clause. */
function literalIn(text: string): { readonly value: unknown } | undefined {
  const [, word] = /^(\[[^\]]*\]|\{\}|'[^']*'|`[^`]*`|[^\s,;]+?)(?:[.,;](?:\s|$)|$)/.exec(text) ??
    [];
  if (word === undefined) return undefined;
  const plain = word.replaceAll(/[`']/g, '').replace('−', '-');
  if (plain === 'true' || plain === 'false') return { value: plain === 'true' };
  if (/^-?(?:\d|Infinity)/.test(plain)) return { value: Number(plain) };
  if (plain.startsWith('[')) {
    return { value: plain.slice(1, -1).split(',').filter(Boolean).map(Number) };
  }
  if (plain === '{}') return { value: {} };
  return word.startsWith("'") ? { value: plain } : undefined;
}
