/**
 * Turns a page of documentation into a module. The `ts` blocks of a page become one module, each
 * line where it stands on the page, so that an error's line is the page's. An arrow after a
 * `console.log` says what that statement prints, in one line or in several:
 *
 *     console.log(sum.item()); // → 3
 *     console.log(matrix);
 *     // → [[1, 2],
 *     //    [3, 4]]
 */
import { format } from 'node:util';

/** A page as a module, and what it must print: by line of the `console.log`, its text. */
export interface PageModule {
  readonly code: string;
  readonly expected: ReadonlyMap<number, string>;
}

type Fail = (line: number, message: string) => Error;

/** A block of code between fences. */
export interface Block {
  /** The text after the opening fence. */
  readonly info: string;
  /** The line of the opening fence, from 1. */
  readonly line: number;
  readonly code: readonly string[];
}

/** Pages on which a block may be a sketch, which is not run: the API reference has signatures. */
const sketched = /^docs\/(?:design\.md|api\/)/;

/** The blocks of a page that run, each with what it prints, by line of the `console.log`. */
export function runnableBlocks(
  name: string, text: string,
): (Block & { readonly expected: ReadonlyMap<number, string> })[] {
  const fail = failureIn(name);
  const blocks = blocksOf(text, fail).filter(({ info, line }) => {
    if (info === 'ts') return true;
    if (info === 'ts sketch' && sketched.test(name)) return false;
    if (!/^(ts|typescript|js|javascript|mjs|mts)\b/.test(info)) return false;
    throw fail(line, `a block is \`\`\`${info}, which would not be run: make it \`\`\`ts`);
  });
  return blocks.map((block) => ({ ...block, expected: expectationsOf(block, fail) }));
}

const failureIn = (name: string): Fail => (line, message) =>
  new Error(`${name}:${line}: ${message}`);

/** Compiles a page; `support` is how the module will import this file. Undefined: no blocks. */
export function compilePage(name: string, text: string, support: string): PageModule | undefined {
  const fail = failureIn(name);
  const blocks = runnableBlocks(name, text);
  if (blocks.length === 0) return undefined;

  const bindings = new Map<string, Binding>();
  const expected = new Map<number, string>();
  const lines: string[] = text.split('\n').map(() => '');
  for (const block of blocks) {
    lines[block.line - 1] = `__page.enter(${block.line});`;
    const code = takeImports(block, (binding, line) => {
      const known = bindings.get(binding.local);
      if (known !== undefined && (known.from !== binding.from || known.name !== binding.name)) {
        throw fail(line, `${binding.local} has been imported from '${known.from}' already`);
      }
      const isType = binding.isType && (known?.isType ?? true);
      bindings.set(binding.local, { ...binding, isType });
    });
    for (const [line, printed] of block.expected) expected.set(line, printed);
    code.forEach((codeLine, index) => {
      const line = block.line + 1 + index;
      lines[line - 1] = codeLine.replaceAll(/\bconsole\.log\(/g, `__page.print(${line}, `);
    });
  }
  const page = JSON.stringify(name);
  // All on the line of the first fence or before it, so that no line of a block moves.
  lines[0] = [
    `import { startPage as __startPage } from '${support}';`,
    ...[...bindings.values()].map(importOf),
    `const __page = __startPage(${page});`,
    lines[0],
  ].join(' ');
  return { code: lines.join('\n'), expected };
}

/** What a page's module does as it runs. */
export interface RunningPage {
  /** The line of the block that runs; 0 before the first. */
  block: number;
  /** What each `console.log` printed, by its line. */
  readonly printed: Map<number, string>;
  enter(line: number): void;
  print(line: number, ...values: unknown[]): void;
}

const running = new Map<string, RunningPage>();

export function startPage(name: string): RunningPage {
  const page: RunningPage = {
    block: 0,
    printed: new Map(),
    enter(line) {
      page.block = line;
    },
    print(line, ...values) {
      const before = page.printed.get(line);
      page.printed.set(line, (before === undefined ? '' : `${before}\n`) + format(...values));
    },
  };
  running.set(name, page);
  return page;
}

/** The page as far as it has come; undefined if it has not started. */
export function pageSoFar(name: string): RunningPage | undefined {
  return running.get(name);
}

function blocksOf(text: string, fail: Fail): Block[] {
  const blocks: Block[] = [];
  let open: { fence: string; info: string; line: number; code: string[] } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const [, fence, info] = /^\s*(`{3,})\s*([^`]*?)\s*$/.exec(line) ?? [];
    if (open === undefined) {
      if (fence !== undefined) open = { fence, info, line: index + 1, code: [] };
    } else if (fence !== undefined && info === '' && fence.length >= open.fence.length) {
      blocks.push(open);
      open = undefined;
    } else {
      open.code.push(line);
    }
  }
  if (open !== undefined) throw fail(open.line, 'the block has no end');
  return blocks;
}

// Imports: one name may be imported by many blocks, but by the module only once.

interface Binding {
  readonly local: string;
  /** The exported name; `*` for all of them. */
  readonly name: string;
  readonly from: string;
  readonly isType: boolean;
}

/** The code without its imports, which are handed to `add` one name at a time. */
function takeImports(block: Block, add: (binding: Binding, line: number) => void): string[] {
  const text = block.code.join('\n');
  const statement = /^import\s+(type\s+)?([^'";]+?)\s+from\s+'([^']+)';/gm;
  const blanked = text.replaceAll(statement, (all, type, clause: string, from, offset: number) => {
    const line = block.line + text.slice(0, offset).split('\n').length;
    for (const { word, ...binding } of namesIn(clause)) {
      add({ ...binding, from, isType: type !== undefined || word === 'type' }, line);
    }
    return all.replaceAll(/[^\n]/g, '');
  });
  return blanked.split('\n');
}

/** The names of an import clause: `a, * as b` or `a, { b, c as d, type e }`. */
function namesIn(clause: string): { word: string | undefined; name: string; local: string }[] {
  const [before, braced = ''] = clause.replace('}', '').split('{');
  const named = braced.matchAll(/(?:\b(type)\s+)?([\w$]+)(?:\s+as\s+([\w$]+))?\s*(?:,|$)/g);
  const others = before.matchAll(/(?:(\*)\s+as\s+)?([\w$]+)\s*(?:,|$)/g);
  return [
    ...[...others].map(([, star, local]) => ({ word: undefined, name: star ?? 'default', local })),
    ...[...named].map(([, word, name, local = name]) => ({ word, name, local })),
  ];
}

function importOf({ local, name, from, isType }: Binding): string {
  const names = name === '*' ? `* as ${local}` : `{ ${name} as ${local} }`;
  return `import ${isType ? 'type ' : ''}${names} from '${from}';`;
}

// Arrows

/** What the block says it prints, by line of the `console.log`: the nearest one before an arrow. */
function expectationsOf(block: Block, fail: Fail): Map<number, string> {
  const expected = new Map<number, string>();
  let log: number | undefined;
  let arrow: number | undefined;
  block.code.forEach((codeLine, index) => {
    const line = block.line + 1 + index;
    if (/\bconsole\.log\(/.test(codeLine)) log = line;
    const [, first] = /\/\/ →(?: (.*))?$/.exec(codeLine) ?? [];
    const [isRest, rest = ''] = /^\s*\/\/(?: {3}(.*))?$/.exec(codeLine) ?? [];
    if (codeLine.includes('// →')) {
      if (log === undefined) throw fail(line, 'an arrow without a console.log before it');
      expected.set(log, (first ?? '').trimEnd());
      arrow = log;
      log = undefined;
    } else if (isRest !== undefined && arrow !== undefined) {
      expected.set(arrow, `${expected.get(arrow)}\n${rest.trimEnd()}`);
    } else {
      arrow = undefined;
    }
  });
  return expected;
}
