/**
 * Makes one function of the blocks of a page. They share one scope, as in a module, each line
 * stands where it stands on the page, and what a `console.log` prints is told with its line:
 *
 *     import { tensor } from 'mambagrad';    (async (__page, __modules) => { … const { tensor } = …
 *     const x = await tensor(2);             const x = await tensor(2);
 *     console.log(x);                        __page.print('log', 7, x);
 */
import { readModule } from '../../bundle/modules.ts';
import type { Token } from '../../bundle/tokens.ts';

/** A block: its code, and the line before its first one. */
export interface Block {
  readonly line: number;
  readonly code: string;
}

/** What a program imports: a name of a module, or all of it (`*`), under a local name. */
export interface Imported {
  readonly from: string;
  readonly name: string;
  readonly local: string;
}

export interface Assembled {
  /** An expression: an async function of the page and its modules. */
  readonly code: string;
  readonly imports: readonly Imported[];
  /** All modules that are named, in order. */
  readonly specifiers: readonly string[];
}

/** What errors call the code, so that their stacks tell its lines. */
export const SOURCE = 'page.js';

/**
 * Puts blocks together; the function gives what they export. Throws if they import one name from
 * two modules.
 */
export function assemble(blocks: readonly Block[]): Assembled {
  const imports = new Map<string, Imported>();
  const specifiers = new Set<string>();
  const exports = new Map<string, string>();
  let [code, line] = ['', 1];
  for (const block of blocks) {
    const module = readModule('line', '\n'.repeat(block.line) + block.code);
    for (const each of module.imports) {
      const known = imports.get(each.local);
      if (known !== undefined && (known.from !== each.from || known.name !== each.name)) {
        throw new SyntaxError(
          `${each.local} is imported from '${each.from}', and from '${known.from}' before`,
        );
      }
      imports.set(each.local, each);
    }
    for (const specifier of module.specifiers) specifiers.add(specifier);
    for (const { name, local, from } of module.exports) {
      if (from === undefined) exports.set(name, local);
    }
    const start = Math.max(block.line, line);
    const text = bodyOf(module.body, block);
    code += `${'\n'.repeat(start - line)};__page.enter(${block.line});`;
    code += `${'\n'.repeat(block.line + 1 - start)}${text}`;
    line = block.line + 1 + (text.match(/\n/g)?.length ?? 0);
  }
  const names = [...imports.values()];
  const bindings = names.map(({ from, name, local }) => {
    const all = `__modules[${JSON.stringify(from)}]`;
    return `const ${local} = ${name === '*' ? all : `${all}[${JSON.stringify(name)}]`};`;
  });
  const head = `(async (__page, __modules) => { 'use strict'; ${bindings.join(' ')}`;
  const given = [...exports].map(([name, local]) => `${JSON.stringify(name)}: ${local}`);
  return {
    code: `${head}${code}\nreturn { ${given.join(', ')} };\n})\n//# sourceURL=${SOURCE}`,
    imports: names,
    specifiers: [...specifiers],
  };
}

const printing = new Set(['log', 'info', 'debug', 'warn', 'error']);

/** The code of a block without what is not in its tokens; lines stay lines. */
function bodyOf(tokens: readonly Token[], { code, line }: Block): string {
  // The tokens are of the code with a line for each that is before it on the page.
  let [text, at, current] = ['', line, line + 1];
  const add = (start: number, replaced?: string): void => {
    const piece = code.slice(at - line, start - line);
    text += replaced ?? piece.replaceAll(/[^\n]/g, '');
    current += piece.match(/\n/g)?.length ?? 0;
    at = start;
  };
  for (let i = 0; i < tokens.length; i++) {
    const { start, text: own } = tokens[i];
    if (start < line) continue;
    add(start);
    const [dot, method, bracket] = tokens.slice(i + 1, i + 4).map((token) => token.text);
    const isCall = own === 'console' && dot === '.' && printing.has(method) && bracket === '(' &&
      tokens[i - 1]?.text !== '.';
    if (isCall) i += 3;
    const end = tokens[i].start + tokens[i].text.length;
    add(end, isCall ? `__page.print('${method}', ${current}, ` : own);
  }
  return text;
}
