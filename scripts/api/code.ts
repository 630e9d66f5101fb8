/** Code as the pages show it: signatures on one line if they fit, else an argument a line. */
import { splitAtTop } from './declarations.ts';

/** The longest line of a code block. */
const WIDTH = 88;

const opening = '({[<';
const closing = ')}]>';

/** Code without comments, on one line. */
export function oneLine(code: string): string {
  return withoutComments(code).replaceAll(/\s+/g, ' ').replaceAll(/;? }/g, ' }').trim();
}

function withoutComments(code: string): string {
  return code.replaceAll(/\/\*[^]*?\*\//g, '');
}

/** Code on one line if that is short enough, else broken at its longest pair of brackets. */
export function formatCode(code: string, indent = ''): string {
  const text = oneLine(code);
  const brackets = longestBrackets(text);
  if (indent.length + text.length <= WIDTH || brackets === undefined) return indent + text;
  const [start, end] = brackets;
  const inside = text.slice(start + 1, end).trim();
  const separator = text[start] === '{' ? ';' : ',';
  const parts = splitAtTop(inside, separator).map((part) => part.trim());
  const lines = parts
    .filter((part) => part !== '')
    .map((part) => `${formatCode(part, `${indent}  `)}${separator}`);
  return [`${indent}${text.slice(0, start + 1)}`, ...lines, indent + text.slice(end)].join('\n');
}

/** Where the longest of the outermost pairs of brackets starts and ends. */
function longestBrackets(code: string): readonly [start: number, end: number] | undefined {
  // Brackets in literals are none.
  const text = code.replaceAll(/'[^']*'|`[^`]*`/g, (literal) => '_'.repeat(literal.length));
  let longest: readonly [number, number] | undefined;
  let [depth, start] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    if (opening.includes(text[i]) && depth++ === 0) start = i;
    if (!closing.includes(text[i]) || text.startsWith('=>', i - 1) || --depth > 0) continue;
    const length = i - start;
    if (longest === undefined || length > longest[1] - longest[0]) longest = [start, i];
  }
  return longest;
}

/** A declaration as the compiler laid it out, with two spaces where it puts four. */
export function reindent(code: string): string {
  return code.replaceAll(/^(?: {4})+/gm, (spaces) => ' '.repeat(spaces.length / 2))
    .replaceAll(/^ +(?=\*)/gm, (spaces) => `${spaces.slice(0, spaces.length / 2)} `);
}
