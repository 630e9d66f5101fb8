/**
 * Reads the text of a .d.ts file as declarations with their docstrings. The compiler writes these
 * files in one uniform format, so a scanner that counts brackets is all the parser there is.
 */

/** One declaration, or one member of a class or an interface. */
export interface Declaration {
  /** Its text without the docstring, on one line unless it holds types in braces. */
  readonly text: string;
  /** The text of its docstring, without the stars; empty if it has none. */
  readonly doc: string;
}

/** Comments, literals and brackets; every other character is a token by itself. */
const token = new RegExp(
  [
    /\/\*[^]*?\*\//,
    /\/\/[^\n]*/,
    /'(?:\\.|[^'\\\n])*'/,
    /"(?:\\.|[^"\\\n])*"/,
    /`(?:\\[^]|[^`\\])*`/,
    /[^]/,
  ].map(({ source }) => source).join('|'),
  'g',
);

/** The tokens of a text, each with the number of brackets around it. */
function* scan(text: string): Generator<readonly [part: string, depth: number]> {
  let [depth, before] = [0, ''];
  for (const [part] of text.matchAll(token)) {
    // Nothing is compared in a declaration: < and > are brackets, but for that of an arrow.
    if (part.length === 1 && (part === '>' ? before !== '=' : ')}]'.includes(part))) depth--;
    yield [part, depth];
    if (part.length === 1 && '({[<'.includes(part)) depth++;
    before = part;
  }
}

/** A text cut at its semicolons, or after the body of a class or interface. */
export function declarationsIn(text: string): Declaration[] {
  const found: Declaration[] = [];
  let [doc, current] = ['', ''];
  const end = (): void => {
    if (current.trim() !== '') found.push({ text: current.trim(), doc });
    [doc, current] = ['', ''];
  };
  for (const [part, depth] of scan(text)) {
    if (/^\/[/*]/.test(part) && current.trim() === '') {
      // A docstring stands before its declaration; other comments there are left out.
      if (part.startsWith('/**')) doc = textOf(part);
      continue;
    }
    const isEnd = depth === 0 && part === ';';
    if (!isEnd) current += part;
    if (isEnd || (depth === 0 && part === '}' && hasBody.test(current.trim()))) end();
  }
  end();
  return found;
}

const hasBody = /^(?:export )?(?:declare |abstract )*(?:class|interface|module) /;

/** The text of a comment: what stands behind the stars. */
function textOf(comment: string): string {
  return comment
    .replace(/^\/\*\*/, '')
    .replace(/\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .replaceAll(/^\s*\n|\s+$/g, '')
    .replace(/^ (?=\S)/, '');
}

/** The header of a source file: the comment that it begins with; empty if there is none. */
export function headerOf(source: string): string {
  const [comment = ''] = /^\/\*\*[^]*?\*\//.exec(source) ?? [];
  return textOf(comment);
}

const head = new RegExp(
  /^(?:export )?(?:declare |abstract )*/.source +
    /(function|const|let|class|interface|type) ([\w$]+)/.source,
);

/** What a declaration declares, and under which name; undefined for imports and exports. */
export function nameOf({ text }: Declaration): { kind: string; name: string } | undefined {
  const [, kind, name] = head.exec(text) ?? [];
  return name === undefined ? undefined : { kind, name };
}

/** The declaration without `export`, `declare` and its name: `(x: Tensor): Tensor`. */
export function restOf(declaration: Declaration): string {
  return declaration.text.replace(head, '').trim();
}

/**
 * The members of a class, an interface, or a type that is one object, in order; those that nobody
 * else can use are left out.
 */
export function membersOf(declaration: Declaration): Declaration[] {
  const { kind = '' } = nameOf(declaration) ?? {};
  const text = declaration.text;
  const [before, ...others] = splitAtTop(text, '{');
  const isObject = kind === 'type' && before.endsWith('= ');
  const hasMembers = kind === 'class' || kind === 'interface' || isObject;
  if (!hasMembers || others.length !== 1 || !text.endsWith('}')) return [];
  const body = text.slice(before.length + 1, -1);
  return declarationsIn(body).filter((one) => !/^(?:private|#)/.test(one.text));
}

/** The name of a member: `forward`, `constructor`; of a call signature it is empty. */
export function memberName({ text }: Declaration): string {
  return memberHead.exec(text)?.[1] ?? '';
}

const memberHead = /^(?:(?:protected|readonly|static|abstract|get|set) )*(\[[^\]]*\]|[\w$]+)/;

/** A text cut at a character wherever that stands outside of all brackets and literals. */
export function splitAtTop(text: string, separator: string): string[] {
  const parts = [''];
  for (const [part, depth] of scan(text)) {
    if (depth === 0 && part === separator) parts.push('');
    else parts[parts.length - 1] += part;
  }
  return parts;
}
