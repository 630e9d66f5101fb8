/**
 * A bundler: many modules become one file. It can be this short because the modules are regular:
 * the compiler wrote them, they import each other without cycles, and what they export does not
 * change later. So each becomes a function that returns its exports, in an order in which whatever
 * is imported has run:
 *
 *     import { add } from './ops.js';            modules[7] = exported((() => {
 *     export const twice = (x) => add(x, x);       const { add } = modules[3];
 *                                                  const twice = (x) => add(x, x);
 *                                                  return { twice };
 *                                                })());
 *
 * Comments and indentation are left out. Modules may be put into several files, each of which
 * needs those made before it.
 */
import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { Script } from 'node:vm';
import { type Export, type Module, readModule } from './modules.ts';
import type { Token } from './tokens.ts';

/** What a bundle is made of. */
export interface BundlerOptions {
  /** The folder to which the names of modules in errors are relative. */
  readonly root: string;
  /** The file of an import that is not relative; undefined if there is none. */
  readonly find: (specifier: string) => string | undefined;
}

/** A module with its place in the bundle. */
interface Bundled {
  readonly index: number;
  /** The names that it exports, in the order of a module namespace. */
  readonly names: readonly string[];
}

/** The code that comes before the first module. */
export const prelude = `'use strict';
const modules = [];
const exported = (all) => Object.freeze(Object.fromEntries(
Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))));
`;

/** Makes bundles of modules; what an earlier one has is not put into a later one again. */
export class Bundler {
  readonly #options: BundlerOptions;
  readonly #bundled = new Map<string, Bundled>();
  /** The modules that are being read, from the first to those that it needs. */
  readonly #open: string[] = [];
  #code: string[] = [];

  constructor(options: BundlerOptions) {
    this.#options = options;
  }

  /**
   * Code that runs files and all that they need, for a place where `prelude` and the code of
   * earlier calls has run.
   */
  add(files: readonly string[]): string {
    this.#code = [];
    for (const file of files) this.#module(file);
    return this.#code.join('');
  }

  /** The expression of what a bundled file exports, as one object. */
  expression(file: string): string {
    return `modules[${this.#module(file).index}]`;
  }

  /** The names that a bundled file exports, sorted. */
  namesOf(file: string): readonly string[] {
    return this.#module(file).names;
  }

  #module(file: string): Bundled {
    const known = this.#bundled.get(file);
    if (known !== undefined) return known;
    const name = relative(this.#options.root, file);
    if (this.#open.includes(file)) {
      const cycle = [...this.#open.slice(this.#open.indexOf(file)), file];
      const names = cycle.map((each) => relative(this.#options.root, each));
      throw new Error(`${name}: imports itself: ${names.join(' → ')}`);
    }
    this.#open.push(file);
    const module = readModule(name, readFileSync(file, 'utf8'));
    const targets = new Map(module.specifiers.map((specifier) =>
      [specifier, this.#module(this.#find(file, specifier))] as const));
    this.#open.pop();
    const names = exportedNames(name, module, targets);
    const code = moduleCode(name, module, targets);
    const bundled = { index: this.#bundled.size, names };
    this.#bundled.set(file, bundled);
    this.#code.push(`modules[${bundled.index}] = exported((() => {\n${code}})());\n`);
    return bundled;
  }

  #find(file: string, specifier: string): string {
    if (specifier.startsWith('.')) return resolve(dirname(file), specifier);
    const found = this.#options.find(specifier);
    if (found !== undefined) return found;
    const name = relative(this.#options.root, file);
    throw new Error(`${name}: imports '${specifier}', which has no place in this bundle`);
  }
}

type Targets = ReadonlyMap<string, Bundled>;

/** All names that a module exports; checks that what it imports and passes on is there. */
function exportedNames(name: string, module: Module, targets: Targets): string[] {
  const own = module.exports.map((each) => each.name);
  const passed = module.stars.flatMap((from) =>
    targetOf(targets, from).names.filter((each) => each !== 'default' && !own.includes(each)));
  const all = [...own, ...passed].sort();
  const twice = all.find((each, i) => each === all[i + 1]);
  if (twice !== undefined) throw new Error(`${name}: exports ${twice} twice`);
  const passedOn = module.exports.map((each) => ({ from: each.from, name: each.local }));
  for (const { from, name: wanted } of [...module.imports, ...passedOn]) {
    if (from === undefined || wanted === '*') continue;
    if (targetOf(targets, from).names.includes(wanted)) continue;
    throw new Error(`${name}: imports ${wanted} from '${from}', which does not export it`);
  }
  return all;
}

function targetOf(targets: Targets, specifier: string): Bundled {
  const target = targets.get(specifier);
  if (target === undefined) throw new Error(`${specifier} has not been read`);
  return target;
}

/** The body of the function of a module. */
function moduleCode(name: string, module: Module, targets: Targets): string {
  const objectOf = (from: string) => `modules[${targetOf(targets, from).index}]`;
  const imports = module.specifiers.flatMap((from) => {
    const imported = module.imports.filter((each) => each.from === from);
    const named = imported.filter((each) => each.name !== '*').map(({ name: each, local }) =>
      each === local ? each : `${each}: ${local}`);
    return [
      ...imported.filter((each) => each.name === '*').map(({ local }) =>
        `const ${local} = ${objectOf(from)};\n`),
      ...(named.length > 0 ? [`const { ${named.join(', ')} } = ${objectOf(from)};\n`] : []),
    ];
  });
  const returned = [
    // Own names come after those of others, which they hide.
    ...module.stars.map((from) => `...${objectOf(from)}`),
    ...module.exports.map((each) => exportCode(each, objectOf)),
  ];
  const code = `${imports.join('')}${compact(module.body)}\nreturn { ${returned.join(', ')} };\n`;
  try {
    new Script(`(() => {\n${code}})`);
  } catch (error) {
    throw new Error(`${name}: its code cannot be bundled: ${String(error)}`, { cause: error });
  }
  return code;
}

function exportCode({ name, local, from }: Export, objectOf: (from: string) => string): string {
  const key = name === 'default' ? "'default'" : name;
  if (from === undefined) return name === local ? name : `${key}: ${local}`;
  return `${key}: ${local === '*' ? objectOf(from) : `${objectOf(from)}.${local}`}`;
}

/** Code without comments, and without the space that it can do without; lines stay lines. */
function compact(tokens: readonly Token[]): string {
  const code: string[] = [];
  let space = '';
  // Not read from the code: that would put its pieces together for each token anew.
  let last = '{';
  for (const { kind, text } of tokens) {
    if (kind === 'whitespace' || kind === 'comment') {
      space = space === '\n' || text.includes('\n') ? '\n' : ' ';
    } else {
      const isNeeded = space === '\n' || !isApart(last, text[0]);
      code.push(isNeeded ? space + text : text);
      [space, last] = ['', text[text.length - 1]];
    }
  }
  return code.join('');
}

/** Whether two characters stay two tokens when nothing is between them. */
function isApart(before: string, after: string): boolean {
  return '()[]{},;:?'.includes(before) || '()[]{},;:?'.includes(after) ||
    (/[=<>&|*]/.test(before) && /[\w$'"`]/.test(after)) ||
    (/[=<>&|*!]/.test(after) && /[\w$'"`]/.test(before));
}
