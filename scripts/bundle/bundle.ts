/**
 * A bundler: many modules become one file. It can be this short because the modules are regular:
 * the compiler wrote them, they import each other without cycles, and what they export does not
 * change later. So each becomes a function that returns its exports, in an order in which whatever
 * is imported has run. Where a module uses an import, the name stands that it has in the bundle:
 *
 *     import { add } from './ops.js';            const $7 = (() => {
 *     export const twice = (x) => add(x, x);       const twice = (a) => $3(a, a);
 *                                                  return twice;
 *                                                })();
 *
 * Comments and space are left out (compact.ts), and variables get short names (names.ts). What a
 * module only passes on is taken from where it is declared. Modules may be put into several files,
 * each of which needs those made before it.
 */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { Script } from 'node:vm';
import { compact, joinDeclarations } from './compact.ts';
import { type Module, readModule } from './modules.ts';
import { shortNames } from './names.ts';
import { isKeyword, type Token } from './tokens.ts';
import { readWords } from './words.ts';

/** What a bundle is made of. */
export interface BundlerOptions {
  /** The folder to which the names of modules in errors are relative. */
  readonly root: string;
  /** The file of an import that is not relative; undefined if there is none. */
  readonly find: (specifier: string) => string | undefined;
  /**
   * Whether functions that are only called keep their names, which stack traces show. All others
   * keep them in any case.
   */
  readonly keepsFunctions: boolean;
}

/** A module that is in the bundle. */
interface Bundled {
  /**
   * The names that it exports, in the order of a module namespace, and what they are called here.
   */
  readonly exports: ReadonlyMap<string, string>;
  /** What all of them as one object are called, if a module needs that. */
  namespace?: string;
}

/** The code that comes before the first module. */
export const prelude = `'use strict';\n`;

/** Makes bundles of modules; what an earlier one has is not put into a later one again. */
export class Bundler {
  readonly #options: BundlerOptions;
  readonly #bundled = new Map<string, Bundled>();
  /** Modules as they are, by their files. */
  readonly #modules = new Map<string, Module>();
  /** The modules that are being read, from the first to those that it needs. */
  readonly #open: string[] = [];
  #code: string[] = [];
  #names = 0;

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
    const module = this.#module(file);
    return module.namespace ?? objectOf(module);
  }

  /** The names that a bundled file exports, sorted, with those that they have in the bundle. */
  exportsOf(file: string): ReadonlyMap<string, string> {
    return this.#module(file).exports;
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
    const module = this.#direct(file, this.#read(file));
    const targets = new Map(module.specifiers.map((specifier) =>
      [specifier, this.#module(this.#find(file, specifier))] as const));
    this.#open.pop();
    checkNames(name, module, targets);
    const imports = new Map(module.imports.map(({ from, name: each, local }) =>
      [local, this.#target(targets, from, each)] as const));
    const own = new Map<string, string>();
    const exports = module.exports.map(({ name: each, local, from }): [string, string] => {
      if (from !== undefined) return [each, this.#target(targets, from, local)];
      const named = imports.get(local) ?? own.get(local) ?? this.#name();
      if (!imports.has(local)) own.set(local, named);
      return [each, named];
    });
    const passed = module.stars.flatMap((from) => [...targetOf(targets, from).exports])
      .filter(([each]) => each !== 'default' && !exports.some(([other]) => other === each));
    const all = [...exports, ...passed].sort(([a], [b]) => (a < b ? -1 : 1));
    const bundled = { exports: new Map(all) };
    this.#bundled.set(file, bundled);
    this.#code.push(this.#statement(name, module, imports, own));
    return bundled;
  }

  #read(file: string): Module {
    const known = this.#modules.get(file);
    if (known !== undefined) return known;
    const module = readModule(relative(this.#options.root, file), readFileSync(file, 'utf8'));
    this.#modules.set(file, module);
    return module;
  }

  /**
   * The module with each import from where the name is declared, instead of from a module that only
   * passes it on: what else that one passes on is not needed.
   */
  #direct(file: string, module: Module): Module {
    const imports = module.imports.map((each) => {
      const found = this.#find(file, each.from);
      const origin = this.#origin(found, each.name);
      return { ...each, ...(origin.from !== found && origin) };
    });
    const before = new Set(module.imports.map(({ from }) => from));
    const passedOn = new Set([...module.stars, ...module.exports.map(({ from }) => from)]);
    const others = module.specifiers.filter((each) => !before.has(each) || passedOn.has(each));
    const specifiers = [...new Set([...others, ...imports.map(({ from }) => from)])];
    return { ...module, imports, specifiers };
  }

  /** The file that declares a name which another one exports. */
  #origin(from: string, name: string): { readonly from: string; readonly name: string } {
    const { body, imports, stars, exports, specifiers } = this.#read(from);
    const passesOn = imports.length === 0 && stars.length === 0 &&
      specifiers.every((each) => exports.some((other) => other.from === each)) &&
      body.every(({ kind }) => kind === 'whitespace' || kind === 'comment');
    const found = passesOn ? exports.find((each) => each.name === name) : undefined;
    if (found?.from === undefined || found.local === '*') return { from, name };
    return this.#origin(this.#find(from, found.from), found.local);
  }

  #statement(
    name: string, { body }: Module, imports: ReadonlyMap<string, string>,
    own: ReadonlyMap<string, string>,
  ): string {
    try {
      const code = moduleCode(body, imports, own, this.#options.keepsFunctions);
      new Script(code);
      return code;
    } catch (error) {
      throw new Error(`${name}: its code cannot be bundled: ${String(error)}`, { cause: error });
    }
  }

  /** A name of the bundle, which no module has. */
  #name(): string {
    this.#names += 1;
    return `$${this.#names.toString(36)}`;
  }

  /** What an import is called in the bundle. */
  #target(targets: Targets, from: string, name: string): string {
    const target = targetOf(targets, from);
    if (name !== '*') return target.exports.get(name) ?? '';
    if (target.namespace === undefined) {
      target.namespace = this.#name();
      this.#code.push(`const ${target.namespace} = ${objectOf(target)};\n`);
    }
    return target.namespace;
  }

  #find(file: string, specifier: string): string {
    if (isAbsolute(specifier)) return specifier;
    if (specifier.startsWith('.')) return resolve(dirname(file), specifier);
    const found = this.#options.find(specifier);
    if (found !== undefined) return found;
    const name = relative(this.#options.root, file);
    throw new Error(`${name}: imports '${specifier}', which has no place in this bundle`);
  }
}

type Targets = ReadonlyMap<string, Bundled>;

/** Checks that what a module imports and passes on is there, and that it exports no name twice. */
function checkNames(name: string, module: Module, targets: Targets): void {
  const own = module.exports.map((each) => each.name);
  const passed = module.stars.flatMap((from) =>
    [...targetOf(targets, from).exports.keys()].filter((each) => !own.includes(each)));
  const all = [...own, ...passed.filter((each) => each !== 'default')].sort();
  const twice = all.find((each, i) => each === all[i + 1]);
  if (twice !== undefined) throw new Error(`${name}: exports ${twice} twice`);
  const passedOn = module.exports.map((each) => ({ from: each.from, name: each.local }));
  for (const { from, name: wanted } of [...module.imports, ...passedOn]) {
    if (from === undefined || wanted === '*') continue;
    if (targetOf(targets, from).exports.has(wanted)) continue;
    throw new Error(`${name}: imports ${wanted} from '${from}', which does not export it`);
  }
}

function targetOf(targets: Targets, specifier: string): Bundled {
  const target = targets.get(specifier);
  if (target === undefined) throw new Error(`${specifier} has not been read`);
  return target;
}

/** All exports of a module as an object. */
function objectOf({ exports }: Bundled): string {
  return `Object.freeze({${[...exports].map((each) => each.join(':')).join(',')}})`;
}

/** The names that a bundle makes. */
const bundleName = /^\$[\da-z]+$/;

/** A module as a statement: `imports` and `own` exports are its names for those of the bundle. */
function moduleCode(
  tokens: readonly Token[], imports: ReadonlyMap<string, string>, own: ReadonlyMap<string, string>,
  keepsFunctions: boolean,
): string {
  const significant = tokens.filter(({ kind }) => kind !== 'whitespace' && kind !== 'comment');
  const words = readWords(significant);
  const outer =
    significant.find(({ kind, text }) => kind === 'identifier' && bundleName.test(text));
  if (outer !== undefined) throw new Error(`names such as ${outer.text} are those of the bundle`);
  // A function in the module may have the name of an import, and words such as `set` may be
  // keywords.
  const isReplaced = (local: string): boolean => !isKeyword(local) && !words.functions.has(local);
  const given = new Map([...imports].filter(([local]) => isReplaced(local)));
  const declared = new Set([...imports.keys()].filter((local) => !isReplaced(local)));
  const kept = keepsFunctions ? words.functions : new Set(own.keys());
  const names = shortNames(significant, words, { given, declared, kept });
  const texts = new Map([...names].map(([i, name]) => {
    const isShorthand = words.uses.get(i) === 'shorthand';
    return [significant[i], isShorthand ? `${significant[i].text}:${name}` : name];
  }));
  // The first use of each variable.
  const places = new Map<string, number>();
  significant.forEach(({ text }, i) => {
    const isVariable = ['shorthand', 'variable'].includes(words.uses.get(i) ?? '');
    if (isVariable && !places.has(text)) places.set(text, i);
  });
  const local = (name: string): string => names.get(places.get(name) ?? -1) ?? name;
  const list = (all: readonly string[]): string => all.length === 1 ? all[0] : `[${all.join(',')}]`;
  const code = [
    ...[...declared].map((each) => `const ${each}=${imports.get(each)};`),
    compact(joinDeclarations(tokens), texts),
  ].join('').trim();
  if (own.size === 0) return code === '' ? '' : `(()=>{${code}})();\n`;
  const returned = list([...own.keys()].map(local));
  return `const ${list([...own.values()])}=(()=>{${code}return ${returned};})();\n`;
}
