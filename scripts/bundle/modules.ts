/**
 * Reads a JavaScript module: which names it imports and exports, and where its statements say so.
 * The compiler writes few forms of them; any other is an error that names the file and the line.
 *
 *     import { add, sub as minus } from './ops.js';     names from another module
 *     export const half = (x) => x / 2;                 a declaration
 *     export { add as plus } from './ops.js';           passed on
 */
import { type Token, tokensOf } from './tokens.ts';

/** An import: of one name, or of all of them (`*`), under a local one. */
export interface Import {
  readonly from: string;
  readonly name: string;
  readonly local: string;
}

/** An export: a local name, or one that is passed on from another module. */
export interface Export {
  /** The name that others import. */
  readonly name: string;
  /** The name in this module, or in `from`; `*` for all of them as one object. */
  readonly local: string;
  readonly from: string | undefined;
}

/** A module as it was read. */
export interface Module {
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** `export * from` these. */
  readonly stars: readonly string[];
  /** All modules that it names, in order. */
  readonly specifiers: readonly string[];
  /** Its tokens without those of imports and exports. */
  readonly body: readonly Token[];
}

/** Reads a module; `name` is what errors call it. */
export function readModule(name: string, source: string): Module {
  return new Reader(name, source).read();
}

const firstValues = 'a bundle passes on the value that a name has when its module has run';
const openers = new Set(['(', '[', '{']);
const closers = new Set([')', ']', '}']);

class Reader {
  readonly #name: string;
  readonly #source: string;
  readonly #all: readonly Token[];
  /** Places in `#all` of the tokens that are neither whitespace nor comments. */
  readonly #places: readonly number[];
  readonly #imports: Import[] = [];
  readonly #exports: Export[] = [];
  readonly #stars: string[] = [];
  readonly #specifiers = new Set<string>();
  /** What is declared by `let` or `var`, outside of all brackets. */
  readonly #variables = new Set<string>();
  /** Names that are given another value than that of their declaration. */
  readonly #assigned = new Set<string>();
  /** Places in `#all` that are not part of the body. */
  readonly #taken = new Set<number>();
  #at = 0;

  constructor(name: string, source: string) {
    this.#name = name;
    this.#source = source;
    this.#all = tokensOf(source);
    this.#places = this.#all.flatMap(({ kind }, place) =>
      kind === 'whitespace' || kind === 'comment' ? [] : [place]);
  }

  read(): Module {
    for (let depth = 0; this.#at < this.#places.length; this.#at++) {
      const { kind, text } = this.#token();
      if (openers.has(text) || text.endsWith('${')) depth += 1;
      // A middle part of a template closes one bracket and opens the next.
      if (closers.has(text) || (kind === 'template' && text.startsWith('}'))) depth -= 1;
      if (depth === 0 && (text === 'let' || text === 'var')) {
        this.#variables.add(this.#token(1).text);
      }
      if (kind === 'identifier') this.#noteAssignment(text);
      const isStatement = kind === 'keyword' && (text === 'import' || text === 'export');
      if (isStatement && text === 'import' && ['(', '.'].includes(this.#token(1).text)) {
        throw this.#failure('`import()` and `import.meta` cannot be used: all is in one file');
      }
      if (isStatement && depth === 0) this.#statement(text);
    }
    const variable = this.#exports.find(({ local, from }) =>
      from === undefined && this.#variables.has(local) && this.#assigned.has(local));
    if (variable !== undefined) {
      throw new Error(`${this.#name}: exports the variable ${variable.local}; ${firstValues}`);
    }
    return {
      imports: this.#imports, exports: this.#exports, stars: this.#stars,
      specifiers: [...this.#specifiers],
      body: this.#all.filter((_, place) => !this.#taken.has(place)),
    };
  }

  /** Notes `name = 1` and `name++`, but not `let name = 1` and `x.name = 1`. */
  #noteAssignment(name: string): void {
    const [before, after] = [this.#token(-1).text, this.#token(1).text];
    const isDeclared = ['let', 'var', 'const', '.', '?.'].includes(before);
    const isAssigned = /^(?:[-+*/%&|^?<>]*=|\+\+|--)$/.test(after) && !/^[=<>]=$/.test(after);
    if (!isDeclared && (isAssigned || before === '++' || before === '--')) this.#assigned.add(name);
  }

  #statement(word: string): void {
    const next = this.#token(1).text;
    const start = this.#at;
    this.#at += 1;
    if (word === 'import') this.#readImport();
    else if (next === '{' || next === '*') this.#readList();
    else {
      this.#take(start, start + 1);
      this.#readDeclaration();
      // The declaration itself is read on for what is inside of it.
      this.#at = start;
      return;
    }
    this.#expect(';');
    this.#take(start, this.#at);
    this.#at -= 1;
  }

  /** `import 'from'`, or a clause before it: `a, * as b` or `a, { b, c as d }`. */
  #readImport(): void {
    const names: Omit<Import, 'from'>[] = [];
    while (this.#token().kind !== 'string' && this.#token().text !== 'from') {
      if (this.#skip('{')) names.push(...this.#names());
      else if (this.#skip('*')) {
        this.#expect('as');
        names.push({ name: '*', local: this.#word() });
      } else names.push({ name: 'default', local: this.#word() });
      this.#skip(',');
    }
    this.#skip('from');
    const from = this.#specifier();
    this.#imports.push(...names.map((each) => ({ ...each, from })));
  }

  /** `export { a, b as c }`, the same of another module, `export *` or `export * as a`. */
  #readList(): void {
    if (this.#skip('*')) {
      const name = this.#skip('as') ? this.#word() : undefined;
      this.#expect('from');
      const from = this.#specifier();
      if (name === undefined) this.#stars.push(from);
      else this.#exports.push({ name, local: '*', from });
      return;
    }
    this.#expect('{');
    const names = this.#names();
    const from = this.#skip('from') ? this.#specifier() : undefined;
    this.#exports.push(...names.map(({ name, local }) => ({ name: local, local: name, from })));
  }

  /** The names of a list, to its closing brace. */
  #names(): Omit<Import, 'from'>[] {
    const names: Omit<Import, 'from'>[] = [];
    while (!this.#skip('}')) {
      const name = this.#word();
      names.push({ name, local: this.#skip('as') ? this.#word() : name });
      if (this.#token().text !== '}') this.#expect(',');
    }
    return names;
  }

  /** `function a`, `class a` or `const a = …, b = …`. */
  #readDeclaration(): void {
    this.#skip('async');
    if (this.#skip('function') || this.#skip('class')) {
      this.#skip('*');
      this.#declare();
      return;
    }
    if (!this.#skip('const')) {
      throw this.#failure(
        `exports \`${this.#token().text}\`, expected a function, a class, a const or a list; ` +
          firstValues,
      );
    }
    this.#declare();
    for (let depth = 0; depth > 0 || this.#token().text !== ';'; this.#at++) {
      const { kind, text } = this.#token();
      if (text === '') throw this.#failure('the declaration has no end');
      if (openers.has(text) || text.endsWith('${')) depth += 1;
      if (closers.has(text) || (kind === 'template' && text.startsWith('}'))) depth -= 1;
      if (depth !== 0 || text !== ',') continue;
      this.#at += 1;
      this.#declare();
    }
  }

  #declare(): void {
    const name = this.#word();
    this.#exports.push({ name, local: name, from: undefined });
  }

  #specifier(): string {
    const { kind, text } = this.#token();
    if (kind !== 'string') throw this.#failure(`\`${text}\`, expected the name of a module`);
    this.#at += 1;
    const specifier = text.slice(1, -1);
    this.#specifiers.add(specifier);
    return specifier;
  }

  #word(): string {
    const { kind, text } = this.#token();
    if (kind !== 'identifier' && kind !== 'keyword') {
      throw this.#failure(`\`${text}\`, expected a name`);
    }
    this.#at += 1;
    return text;
  }

  #skip(text: string): boolean {
    if (this.#token().text !== text) return false;
    this.#at += 1;
    return true;
  }

  #expect(text: string): void {
    if (!this.#skip(text)) throw this.#failure(`\`${this.#token().text}\`, expected \`${text}\``);
  }

  /** The token some places on; one without text beyond the ends. */
  #token(ahead = 0): Token {
    return this.#all[this.#places[this.#at + ahead]] ?? nothing;
  }

  #take(start: number, end: number): void {
    const last = this.#places[end] ?? this.#all.length;
    for (let place = this.#places[start]; place < last; place++) this.#taken.add(place);
  }

  #failure(message: string): Error {
    const before = this.#source.slice(0, this.#token().start);
    return new Error(`${this.#name}:${before.split('\n').length}: ${message}`);
  }
}

const nothing: Token = { kind: 'whitespace', text: '', start: Infinity };
