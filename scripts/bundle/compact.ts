/**
 * Shorter code: without comments, without space and marks that mean nothing, and with constants
 * that are declared together.
 */
import type { Token } from './tokens.ts';

/**
 * Code with other texts for some tokens, without comments, and without the space and the marks that
 * it can do without. Every statement ends with a semicolon or a brace (readWords sees to that), so
 * ends of lines mean nothing, and neither does a mark before the end of a list or a block.
 */
export function compact(tokens: readonly Token[], texts: ReadonlyMap<Token, string>): string {
  const code: string[] = [];
  const isNeedless = needlessMarks();
  let isSpaced = false;
  // Not read from the code: that would put its pieces together for each token anew.
  let last = '{';
  for (const token of tokens) {
    const { kind } = token;
    if (kind === 'whitespace' || kind === 'comment') {
      isSpaced = true;
      continue;
    }
    const text = texts.get(token) ?? token.text;
    if (isNeedless(text)) code.pop();
    code.push(isSpaced && !isApart(last, text[0]) ? ` ${text}` : text);
    // Letters behind a regular expression would be its flags.
    [isSpaced, last] = [false, kind === 'regExp' ? 'a' : text[text.length - 1]];
  }
  return code.join('');
}

/**
 * Tells, token by token, whether the one before it is a comma or a semicolon that means nothing.
 * The comma of a hole does, as in `[a, , ]`, and so does the semicolon of a loop without a body.
 */
function needlessMarks(): (text: string) => boolean {
  /** For each open bracket, whether it is that of a condition. */
  const open: boolean[] = [];
  let [before, last] = ['', ''];
  let [isBehindCondition, isBody] = [false, false];
  return (text) => {
    const isNeedless = last === ','
      ? ')]}'.includes(text) && before !== '[' && before !== ','
      : last === ';' && text === '}' && !isBody && before !== 'else';
    if (text === ';') isBody = isBehindCondition;
    if (text === '(') open.push(['for', 'if', 'while', 'with'].includes(last));
    isBehindCondition = text === ')' && open.pop() === true;
    [before, last] = [last, text];
    return isNeedless;
  };
}

/**
 * The same tokens with constants declared together: `const a=1,b=2;` for `const a=1;const b=2;`.
 */
export function joinDeclarations(tokens: readonly Token[]): Token[] {
  const joined = [...tokens];
  /** For each open bracket, whether a declaration of constants is the last statement in it. */
  const open = [false];
  let end: number | undefined;
  tokens.forEach((token, i) => {
    const { kind, text } = token;
    if (kind === 'whitespace' || kind === 'comment') return;
    if (kind === 'keyword' && text === 'const') {
      if (end !== undefined && open[open.length - 1]) {
        joined[end] = { ...tokens[end], text: ',' };
        joined[i] = { ...token, kind: 'whitespace' };
      }
      open[open.length - 1] = true;
    } else if (end !== undefined) {
      open[open.length - 1] = false;
    }
    if (kind === 'punctuator' && '([{'.includes(text)) open.push(false);
    if (kind === 'punctuator' && ')]}'.includes(text)) open.pop();
    end = kind === 'punctuator' && text === ';' ? i : undefined;
  });
  return joined;
}

/** Whether two characters stay two tokens when nothing is between them. */
function isApart(before: string, after: string): boolean {
  return '()[]{},;:?'.includes(before) || '()[]{},;:?'.includes(after) ||
    (/[-+=<>&|*%/]/.test(before) && /[\w$'"`]/.test(after)) ||
    (/[-+=<>&|*%/!]/.test(after) && /[\w$'"`]/.test(before));
}
