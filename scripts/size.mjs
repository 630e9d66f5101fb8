// How large the sources are, as figures to look at: `npm run size`.
//
// Lines of code are those that are neither blank nor a comment. Functions are those of packages/
// with a body in braces, those inside them included, each of which has a depth of its own; a block
// is one of if, else, for, while, do, switch, try, catch or finally.
// The sources are read as text, without comments and literals, so this needs Node alone.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folders = ['packages', 'test', 'bench', 'examples', 'exercises', 'scripts'];
const skipped = new Set(['dist', 'node_modules', 'generated', 'golden', 'runs']);

const files = folders.flatMap(walk).map((path) => {
  const text = withoutLiterals(readFileSync(join(root, path), 'utf8'));
  return { path, text, lines: text.split('\n').filter((line) => line.trim() !== '').length };
});
const functions = files
  .filter(({ path }) => path.startsWith('packages/'))
  .flatMap(({ path, text }) => functionsOf(text).map((one) => ({ ...one, path })));

printLines();
printFunctions();

function printLines() {
  const sums = new Map();
  for (const { path, lines } of files) {
    const folder = dirname(path).replace('/src', '');
    // A package's folders stand below it, those of other parts count with them.
    const shown = folder.startsWith('packages/') ? folder : folder.split('/')[0];
    const [top, name = ''] = shown.split('/');
    for (const part of new Set([top, join(top, name), shown, 'in all'])) {
      const { count, total } = sums.get(part) ?? { count: 0, total: 0 };
      sums.set(part, { count: count + 1, total: total + lines });
    }
  }
  console.log('Lines of code, and files\n');
  const order = [...sums].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  for (const [part, { count, total }] of order) {
    console.log(`  ${part.padEnd(28)}${String(total).padStart(6)}${String(count).padStart(6)}`);
  }
}

function rank(part) {
  const at = folders.indexOf(part.split('/')[0]);
  return at < 0 ? folders.length : at;
}

function printFunctions() {
  console.log(`\nThe longest of ${functions.length} functions, in lines\n`);
  const longest = functions.toSorted((a, b) => b.length - a.length).slice(0, 10);
  for (const one of longest) console.log(`  ${String(one.length).padStart(4)}  ${placeOf(one)}`);

  console.log('\nFunctions by how deep their blocks nest\n');
  const deepest = Math.max(...functions.map(({ depth }) => depth));
  for (let depth = 0; depth <= deepest; depth++) {
    const those = functions.filter((one) => one.depth === depth);
    const where = depth > 2 && those.length > 0 ? `  such as ${placeOf(those[0])}` : '';
    console.log(`  ${depth} deep${String(those.length).padStart(6)}${where}`);
  }
}

function placeOf({ path, line, name }) {
  return `${path}:${line}  ${name}`;
}

function walk(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : walk(path);
    return /\.m?ts$|\.mjs$/.test(entry.name) ? [path] : [];
  });
}

/** The functions of a text: their names, lines, lengths, and how deep blocks nest in them. */
function functionsOf(text) {
  const found = [];
  /** The braces that are open: functions, blocks, and all others. */
  const open = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '}') {
      const { one } = open.pop() ?? {};
      if (one) one.length = lineAt(text, i) - one.line + 1;
    }
    if (text[i] !== '{') continue;
    const { kind, start, name } = opening(text, i);
    const one = kind === 'function' && { name, line: lineAt(text, start), length: 0, depth: 0 };
    if (one) found.push(one);
    open.push({ kind, one });
    const outside = open.findLastIndex((brace) => brace.one);
    if (kind !== 'block' || outside < 0) continue;
    const depth = open.slice(outside).filter((brace) => brace.kind === 'block').length;
    open[outside].one.depth = Math.max(open[outside].one.depth, depth);
  }
  return found;
}

/** What a brace opens: a function with its start and its name, a block, or something else. */
function opening(text, brace) {
  const before = text.slice(0, brace).trimEnd();
  if (/\b(?:else|try|do|finally)$/.test(before)) return { kind: 'block' };
  if (/\b(?:class|interface|module)\b[^;(){}]*$/.test(before)) return { kind: 'other' };
  if (/[=(,:?[|&<>]$/.test(before) && !/=>$|\w>$|>>$/.test(before)) return { kind: 'other' };
  // Back over a type of the result to the parameters, or to the condition.
  let end = before.length;
  while ((end = lastParenthesis(before, end)) >= 0) {
    const between = before.slice(end + 1).trimStart();
    const start = matching(before, end);
    const head = before.slice(0, start).trimEnd();
    if (/[:|&]$/.test(head) && !/^(?::[^]*)?=>$/.test(between)) continue;
    if (!/^(?::|=>|$)/.test(between)) return { kind: 'other' };
    const [word] = /\w+$/.exec(head) ?? [''];
    if (/^(?:if|for|while|switch|catch)$/.test(word)) return { kind: 'block' };
    return { kind: 'function', start: head.length, name: nameOf(head, between) };
  }
  return /=>$/.test(before)
    ? { kind: 'function', start: before.length, name: '(a callback)' }
    : { kind: 'other' };
}

/** The last closing parenthesis before `end` with nothing but a type after it; -1 if none. */
function lastParenthesis(text, end) {
  for (let i = end - 1; i >= 0; i--) {
    if (text[i] === ')') return i;
    if (text[i] === '}' || text[i] === ']') i = matching(text, i);
    else if (/[;{(]/.test(text[i])) return -1;
  }
  return -1;
}

/** Where the bracket that ends at `end` begins. */
function matching(text, end) {
  let depth = 0;
  for (let i = end; i >= 0; i--) {
    if (')]}'.includes(text[i])) depth += 1;
    if ('([{'.includes(text[i])) depth -= 1;
    if (depth === 0) return i;
  }
  return 0;
}

/** The name of a function by what stands before its parameters. */
function nameOf(head, between) {
  const line = head.slice(head.lastIndexOf('\n') + 1);
  const declared = /(?:const|let|readonly) (\w+).*=/.exec(line);
  const [, own] = declared ?? /(\w+): *(?:async)?$/.exec(line) ?? [];
  if (/=>$/.test(between)) return own ?? '(a callback)';
  const [, name] = /([#\w]+)(?:<[^]*>)?$/.exec(line) ?? [];
  return name ?? '(a function)';
}

function lineAt(text, index) {
  return text.slice(0, index).split('\n').length;
}

/** The text with spaces for comments, and _ for what is inside literals; its lines stay. */
function withoutLiterals(text) {
  const literal = new RegExp(
    [
      /\/\/[^\n]*/, /\/\*[^]*?\*\//, /'(?:\\.|[^'\\\n])*'/, /"(?:\\.|[^"\\\n])*"/,
      /`(?:\\[^]|\$\{(?:[^{}`]|\{[^{}]*\}|`[^`]*`)*\}|[^`\\])*`/,
      // After an operator or a bracket a slash begins a regular expression, else it divides.
      /(?<=(?:^|[(,=:[!&|?{};+*%~^<>-]|\breturn)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*]|[^/\\[\n])+\//,
    ].map(({ source }) => source).join('|'),
    'g',
  );
  return text.replaceAll(literal, (all) =>
    /^\/[/*]/.test(all)
      ? all.replaceAll(/[^\n]/g, ' ')
      : all[0] + all.slice(1, -1).replaceAll(/\S/g, '_') + all.at(-1),
  );
}
