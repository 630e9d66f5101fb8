/**
 * A tokenizer of TypeScript and JavaScript. Every character of a source belongs to exactly one
 * token, so the texts of the tokens, put together, are the source:
 *
 *     const half = x / 2;   →   const · half · = · x · / · 2 ;     (· is whitespace)
 *
 * Two characters mean two things. A slash divides after an operand, and begins a regular expression
 * anywhere else; a closing brace may go on with a template. Both follow from what came before: the
 * last token, and the brackets that are open. Nothing is an error, so that code can be coloured
 * while it is typed.
 */

/** What a token is. */
export type TokenKind =
  | 'comment' | 'identifier' | 'keyword' | 'number' | 'punctuator' | 'regExp' | 'string'
  | 'template' | 'whitespace';

/** The class of each kind of token that is coloured. */
export const tokenClasses: Partial<Readonly<Record<TokenKind, string>>> = {
  comment: 'c', keyword: 'k', number: 'n', regExp: 's', string: 's', template: 's',
};

/** A piece of a source. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Where it begins, in code units. */
  readonly start: number;
}

/** Words that are never names. */
const reserved = new Set(
  `break case catch class const continue debugger default delete do else enum export extends false
  finally for function if import in instanceof let new null return super switch this throw true try
  typeof var void while with yield await`.split(/\s+/),
);

/** Words that are keywords where a name, a type or a string follows on the same line. */
const contextual = new Set(
  `abstract accessor as asserts async declare from get implements infer interface is keyof namespace
  of override private protected public readonly satisfies set static type unique`.split(/\s+/),
);

/** Whether a word is a keyword, be it only in some places. */
export function isKeyword(word: string): boolean {
  return reserved.has(word) || contextual.has(word);
}

/** Keywords that are values: a slash behind them divides. */
const values = new Set(['false', 'null', 'super', 'this', 'true']);

/** Keywords before a condition: a slash behind its closing bracket begins a regular expression. */
const conditions = new Set(['for', 'if', 'while', 'with']);

/** Behind these a brace opens a block, not an object. */
const beforeBlocks = new Set(['', ')', ';', '{', '}', '=>', 'do', 'else', 'finally', 'try']);

/** All tokens but regular expressions and templates, in the order in which they are tried. */
const simple: readonly (readonly [kind: TokenKind, pattern: RegExp])[] = [
  ['whitespace', /\s+/y],
  ['comment', /\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)/y],
  ['identifier', /#?[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy],
  ['number', /0[xob][\da-f_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[+-]?\d[\d_]*)?n?/iy],
  ['string', /'(?:\\[^]|[^'\\\n])*'?|"(?:\\[^]|[^"\\\n])*"?/y],
  // A > is a token by itself, as in types one closes one list: `List<List<number>>`.
  ['punctuator', /\.\.\.|\?\.(?!\d)|=>|[=!]==?|<=|<<=?|\*\*=?|\+\+|--|&&=?|\|\|=?|\?\?=?/y],
  ['punctuator', /[-+*/%&|^]=|[^]/uy],
];

const shebang = /#![^\n]*/y;
const regExp = /\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[\p{ID_Continue}$]*/uy;
/** A template from a backquote or a brace to the next backquote or `${`, or to the end. */
const templatePart = /[`}](?:\\[^]|\$(?!\{)|[^`\\$])*(?:`|\$\{|\\?$)/y;

/** Space on the same line, and the start of a name, a string, a type or a body. */
const followed = /[ \t]+[\p{ID_Start}$_#'"`[{(]/uy;

/** An open bracket, by what its closing one means. */
type Bracket = 'block' | 'condition' | 'template' | 'value';

/** The tokens of a source, in order. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  const scanner = new Scanner(source);
  for (let start = 0; start < source.length;) {
    const token = scanner.next(start);
    tokens.push(token);
    start += token.text.length;
  }
  return tokens;
}

class Scanner {
  readonly #source: string;
  readonly #open: Bracket[] = [];
  /** The last token that is neither whitespace nor a comment. */
  #last = '';
  /** Whether the last token ends an operand, so that an operator follows. */
  #isOperand = false;

  constructor(source: string) {
    this.#source = source;
  }

  next(start: number): Token {
    const found = this.#find(start);
    if (found.kind === 'whitespace' || found.kind === 'comment') return found;
    const token = found.kind === 'identifier' ? this.#word(found) : found;
    this.#isOperand = this.#endsOperand(token);
    this.#last = token.text;
    return token;
  }

  #find(start: number): Token {
    if (start === 0) {
      const text = this.#match(shebang, 0);
      if (text !== undefined) return { kind: 'comment', text, start };
    }
    const character = this.#source[start];
    const isTemplate = character === '`' || (character === '}' && this.#open.at(-1) === 'template');
    const template = isTemplate ? this.#match(templatePart, start) : undefined;
    if (template !== undefined) return { kind: 'template', text: template, start };
    if (character === '/' && !this.#isOperand) {
      const text = this.#match(regExp, start);
      if (text !== undefined) return { kind: 'regExp', text, start };
    }
    for (const [kind, pattern] of simple) {
      const text = this.#match(pattern, start);
      if (text !== undefined) return { kind, text, start };
    }
    throw new Error(`no token begins at ${start}`);
  }

  #match(pattern: RegExp, start: number): string | undefined {
    pattern.lastIndex = start;
    return pattern.exec(this.#source)?.[0];
  }

  /** Keywords among the words. Behind a dot every word is a name. */
  #word(token: Token): Token {
    const { text, start } = token;
    if (this.#last === '.' || this.#last === '?.') return token;
    if (reserved.has(text)) return { ...token, kind: 'keyword' };
    if (!contextual.has(text)) return token;
    const end = start + text.length;
    const isKeyword = this.#match(followed, end) !== undefined;
    return isKeyword ? { ...token, kind: 'keyword' } : token;
  }

  /** Notes which brackets are open, and says whether an operand ends with this token. */
  #endsOperand({ kind, text }: Token): boolean {
    if (kind === 'keyword') return values.has(text);
    if (kind === 'template') {
      if (text.startsWith('}')) this.#open.pop();
      const goesOn = text.endsWith('${');
      if (goesOn) this.#open.push('template');
      return !goesOn;
    }
    if (kind !== 'punctuator') return true;
    if (text === '(') this.#open.push(conditions.has(this.#last) ? 'condition' : 'value');
    if (text === '[') this.#open.push('value');
    if (text === '{') {
      const isBlock = this.#isOperand || beforeBlocks.has(this.#last);
      this.#open.push(isBlock ? 'block' : 'value');
    }
    if (')]}'.includes(text)) return this.#open.pop() === 'value';
    // `x++ / 2` and `x! / 2`: the operand has not ended yet.
    return text === '++' || text === '--' || (text === '!' && this.#isOperand);
  }
}
