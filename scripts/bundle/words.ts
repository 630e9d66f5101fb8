/**
 * Tells how each word of a module is used: which are variables, and which are names of properties,
 * of members of classes, or private. Brackets answer it:
 *
 *     { a: b }    in an object, `a` is a key and `b` a variable; in `{ a }` it is both
 *     (a, b)      variables, as in all other brackets, and behind the colon of a key
 *
 * Code whose brackets cannot be told apart is an error.
 */
import type { Token } from './tokens.ts';

/** What a bracket holds. */
type Kind = 'block' | 'class' | 'list' | 'object';

/** An open bracket. */
interface Open {
  readonly kind: Kind;
  /** The token that opens it, by its number. */
  readonly start: number;
  /** Whether a key or a member comes next. */
  isKey: boolean;
  /** How many `?` wait for their `:`. */
  conditions: number;
  /** Whether the next brace is the body of a class. */
  isClass: boolean;
  /** Whether the last colon was that of a label, or of a case. */
  isLabel: boolean;
}

/** How a word is used. */
export type Use = 'key' | 'private' | 'shorthand' | 'variable';

/** The words of a module. */
export interface Words {
  /** The use of each word, by the number of its token. */
  readonly uses: ReadonlyMap<number, Use>;
  /** Variables that are declared in the module; some of them may be others, too. */
  readonly declared: ReadonlySet<string>;
  /** The statement of the module that each word is in, by the number of its token. */
  readonly units: ReadonlyMap<number, number>;
  /**
   * Variables that may be declared outside of all functions, and so mean the same in all of them.
   */
  readonly shared: ReadonlySet<string>;
  /** Variables that give their names to functions and classes. */
  readonly functions: ReadonlySet<string>;
  /** Those that are not only called: somebody else may have the value, and ask for its name. */
  readonly values: ReadonlySet<string>;
}

const blockStarts = new Set([')', '=>', ';', 'catch', 'do', 'else', 'finally', 'static', 'try']);
const conditions = new Set(['for', 'if', 'switch', 'while', 'with']);
const declaring = new Set(['class', 'const', 'function', 'let', 'var']);
const assigning = new Set(['=', '??=', '||=', '&&=']);
const modifiers = new Set(['async', 'get', 'set', 'static']);
const nothing: Token = { kind: 'whitespace', text: '', start: Infinity };

/** Reads the tokens of a module that are neither whitespace nor comments. */
export function readWords(tokens: readonly Token[]): Words {
  return new WordReader(tokens).read();
}

class WordReader {
  readonly #tokens: readonly Token[];
  readonly #open: Open[] = [opened('block', -1)];
  readonly #uses = new Map<number, Use>();
  readonly #units = new Map<number, number>();
  readonly #shared = new Set<string>();
  readonly #declared = new Set<string>();
  readonly #functions = new Set<string>();
  readonly #values = new Set<string>();
  #unit = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  read(): Words {
    this.#tokens.forEach((token, i) => {
      if (token.kind === 'identifier') this.#word(token.text, i);
      else if (token.kind === 'template') this.#template(token.text, i);
      else if (token.kind === 'keyword') this.#keyword(token.text, i);
      else if (token.kind === 'punctuator') this.#punctuator(token.text, i);
    });
    if (this.#open.length !== 1) throw new Error('a bracket has no end');
    return {
      uses: this.#uses, units: this.#units, shared: this.#shared, declared: this.#declared,
      functions: this.#functions, values: this.#values,
    };
  }

  #word(text: string, i: number): void {
    const use = this.#useOf(text, i);
    this.#uses.set(i, use);
    this.#units.set(i, this.#unit);
    if (use === 'key' || use === 'private') return;
    const [before, after] = [this.#text(i - 1), this.#text(i + 1)];
    // Variables of `var` are those of the function or module around their block.
    if (before === 'var' || this.#isOutside()) this.#shared.add(text);
    const isCalled = after === '(' && before !== 'new';
    const isOnlyCalled = before !== 'class' && (isCalled || assigning.has(after));
    if (use === 'shorthand' || !isOnlyCalled) this.#values.add(text);
    if (use !== 'variable') return;
    const isFunction = before === 'class' || before === 'function' ||
      (before === '*' && this.#text(i - 2) === 'function');
    if (isFunction) this.#functions.add(text);
    if (isFunction || declaring.has(before) || after === '=>') this.#declared.add(text);
    if (after === '=>') this.#nameFunction(i - 1);
  }

  /**
   * Whether what is declared here could be so in the whole module: in a pattern, or in no bracket.
   */
  #isOutside(): boolean {
    return this.#open.every(({ kind, start }, depth) => depth === 0 || kind === 'object' ||
      this.#text(start) === '[');
  }

  #useOf(text: string, i: number): Use {
    if (text.startsWith('#')) return 'private';
    if (['.', '?.'].includes(this.#text(i - 1))) return 'key';
    const { kind, isKey } = this.#top();
    if (kind === 'class' && !isKey && isOperand(this.#at(i - 1))) {
      throw new Error(`\`${text}\` follows a value: end it with a semicolon`);
    }
    if (!isKey) return 'variable';
    if (kind === 'class') return 'key';
    const after = this.#text(i + 1);
    if ([',', '}', '='].includes(after)) return 'shorthand';
    if (after === ':' || after === '(' || modifiers.has(text)) return 'key';
    throw new Error(`\`${text}\` stands before \`${after}\` in an object`);
  }

  #keyword(text: string, i: number): void {
    const after = this.#at(i + 1);
    const startsClass = text === 'class' && !this.#top().isKey;
    if (startsClass) this.#top().isClass = true;
    // `f = class {`, `f = function (` and `f = async (` name what they make, as arrows do.
    const isNameless = ['{', '(', '*', 'extends'].includes(after.text);
    if (startsClass || text === 'async' || (text === 'function' && isNameless)) {
      this.#nameFunction(i - 1);
    }
  }

  #template(text: string, i: number): void {
    if (text.startsWith('}')) this.#close(i);
    if (text.endsWith('${')) this.#open.push(opened('list', i));
  }

  #punctuator(text: string, i: number): void {
    if (text === '{') this.#open.push(opened(this.#braceKind(i), i));
    if (text === '(' || text === '[') this.#open.push(opened('list', i));
    if (')]}'.includes(text)) this.#close(i);
    const top = this.#top();
    const hasKeys = top.kind === 'object' || top.kind === 'class';
    if (text === ';' && this.#open.length === 1) this.#unit += 1;
    if (text === '?') top.conditions += 1;
    if (text === ':') this.#colon(top);
    if (hasKeys && (text === '=' || text === '...')) top.isKey = false;
    if (hasKeys && text === (top.kind === 'class' ? ';' : ',')) top.isKey = true;
  }

  #colon(top: Open): void {
    top.isLabel = top.conditions === 0 && top.kind === 'block';
    if (top.conditions > 0) top.conditions -= 1;
    else if (top.kind === 'object') top.isKey = false;
    else if (top.kind !== 'block') throw new Error('a colon has no place here');
  }

  #braceKind(i: number): Kind {
    const top = this.#top();
    if (top.isClass) {
      top.isClass = false;
      return 'class';
    }
    const before = this.#at(i - 1);
    const isStatement = before === nothing || '{}'.includes(before.text) ||
      (before.text === ':' && top.isLabel);
    if (blockStarts.has(before.text)) return 'block';
    if (isStatement && top.kind === 'block') return 'block';
    if (isStatement || isOperand(before)) {
      throw new Error(`a brace stands behind \`${before.text}\``);
    }
    return 'object';
  }

  /** Ends a bracket. Parameters and patterns are known as such when they have been read. */
  #close(i: number): void {
    const { start, kind } = this.#top();
    if (this.#open.length === 1) throw new Error(`\`${this.#text(i)}\` closes nothing`);
    this.#open.pop();
    if (kind === 'class' || kind === 'block') {
      if (this.#open.length === 1 && startsStatement(this.#at(i + 1))) this.#unit += 1;
      return;
    }
    const [before, after] = [this.#text(start - 1), this.#text(i + 1)];
    const isArrow = after === '=>';
    const isParameters = isArrow || (after === '{' && !conditions.has(before));
    const isList = this.#text(start) === '(' && isParameters;
    const isPattern = this.#text(start) !== '(' && declaring.has(before);
    if (isArrow) this.#nameFunction(start - 1);
    if (isList || isPattern) this.#declare(start, i);
  }

  /** Notes the variables of parameters or a pattern, but not those of default values. */
  #declare(start: number, end: number): void {
    let depth = 0;
    let valueDepth = Infinity;
    for (let i = start; i < end; i++) {
      const { kind, text } = this.#at(i);
      const isPart = kind === 'template';
      if ('([{'.includes(text) || (isPart && text.endsWith('${'))) depth += 1;
      if (')]}'.includes(text) || (isPart && text.startsWith('}'))) depth -= 1;
      if (depth < valueDepth || (depth === valueDepth && text === ',')) valueDepth = Infinity;
      if (text === '=' && valueDepth === Infinity) valueDepth = depth;
      const use = this.#uses.get(i);
      const isBound = use === 'variable' || use === 'shorthand';
      if (isBound && valueDepth === Infinity) this.#declared.add(text);
    }
  }

  /** A function without a name gets that of the variable that it is assigned to. */
  #nameFunction(end: number): void {
    let at = end;
    while (['async', '('].includes(this.#text(at))) at -= 1;
    if (assigning.has(this.#text(at))) this.#functions.add(this.#text(at - 1));
  }

  #top(): Open {
    return this.#open[this.#open.length - 1];
  }

  #at(i: number): Token {
    return this.#tokens[i] ?? nothing;
  }

  #text(i: number): string {
    return this.#at(i).text;
  }
}

function opened(kind: Kind, start: number): Open {
  const isKey = kind === 'class' || kind === 'object';
  return { kind, start, isKey, conditions: 0, isClass: false, isLabel: false };
}

/** Whether a token behind a brace begins another statement. */
function startsStatement({ kind, text }: Token): boolean {
  return kind === 'identifier' || (kind === 'keyword' && text !== 'in' && text !== 'instanceof');
}

/** Whether a value may end with a token, so that no other can begin behind it. */
function isOperand({ kind, text }: Token): boolean {
  return ['identifier', 'number', 'string', 'regExp'].includes(kind) || ')]}'.includes(text) ||
    (kind === 'template' && text.endsWith('`'));
}
