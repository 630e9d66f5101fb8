// The commands of the workspace:
//
//   node scripts/run.mjs start [options]        runs examples/selectiveCopying
//   node scripts/run.mjs example NAME [options] runs examples/NAME
//   node scripts/run.mjs exercise [NAME]        checks exercises/NAME, or lists the exercises
//   node scripts/run.mjs test [filters]         checks all types, then runs the tests
//   node scripts/run.mjs soak [filters]         the same, with four times the cases of costly ones
//   node scripts/run.mjs bench [NAME] [options] runs bench/NAME, or all suites
//   node scripts/run.mjs api                    writes the API reference, docs/api
//   node scripts/run.mjs book [options]         makes the site of the docs, and serves it
//   node scripts/run.mjs pictures [--record]    draws the pictures of the docs, docs/pictures
//   node scripts/run.mjs vectors [FOLDER]       writes golden vectors of the scans as JSON
//   node scripts/run.mjs pack [FOLDER]          packs every package into a tarball
//   node scripts/run.mjs consumers [options]    installs the tarballs elsewhere, and tries them
//   node scripts/run.mjs build                  checks and compiles everything
//
// Each installs what is missing and compiles what has changed, and loses no time where there is
// nothing to do. This file runs before anything is installed, so it needs Node alone.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...path) => join(root, ...path);
const isWindows = process.platform === 'win32';

/** What each target compiles: the project that `tsc -b` is given, and where its sources are. */
const targets = {
  examples: { project: 'examples', folders: ['packages', 'scripts/bundle', 'examples'] },
  exercises: {
    project: 'exercises/runner',
    folders: ['packages', 'exercises/checks', 'exercises/solutions', 'exercises/runner'],
  },
  bench: {
    project: 'bench',
    folders: ['packages', 'scripts/bundle', 'scripts/chromium', 'examples', 'bench'],
  },
  api: { project: 'scripts', folders: ['packages', 'scripts'] },
  pictures: { project: 'scripts/pictures', folders: ['packages', 'scripts/pictures'] },
  vectors: { project: 'scripts/vectors', folders: ['packages', 'scripts/vectors'] },
  publish: {
    project: 'scripts/publish',
    folders: ['packages', 'scripts/bundle', 'scripts/chromium', 'scripts/publish'],
  },
  book: {
    project: 'scripts/book',
    folders: ['packages', 'exercises/checks', 'exercises/solutions', 'scripts', 'scripts/book'],
  },
  all: { project: '.', folders: ['packages', 'examples', 'exercises', 'bench', 'scripts', 'test'] },
};

const commands = {
  async start(args) {
    await runProgram('examples', ['selectiveCopying', ...args]);
  },

  async example(args) {
    await runProgram('examples', args);
  },

  async exercise(args) {
    if (await prepare('exercises')) await runHere('exercises/dist/runner/main.js', args);
  },

  async bench(args) {
    const hasName = args.length > 0 && !args[0].startsWith('-');
    await runProgram('bench', hasName ? args : ['all', ...args]);
  },

  async api() {
    if (await prepare('api')) await runHere('dist/api/main.js', []);
  },

  async book(args) {
    if (await prepare('book')) await runHere('dist/book/src/main.js', args);
  },

  async pictures(args) {
    if (await prepare('pictures')) await runHere('dist/pictures/src/main.js', args);
  },

  async vectors(args) {
    if (await prepare('vectors')) await runHere('scripts/vectors/dist/main.js', args);
  },

  async pack(args) {
    if (await prepare('publish')) await runHere('dist/publish/src/main.js', ['pack', ...args]);
  },

  async consumers(args) {
    if (!(await prepare('publish'))) return;
    await runHere('dist/publish/src/main.js', ['consumers', ...args]);
  },

  async build() {
    await prepare('all');
  },

  async soak(args) {
    process.env.SOAK = '1';
    await commands.test(args);
  },

  async test(args) {
    if (await prepare('all')) await runTests(args);
    else if (process.exitCode === 1) console.log('0 passed, 1 failed');
  },
};

/** Arguments of the commands that have no help, and read only these: options, or a folder. */
const allowed = {
  api: [], build: [], pictures: ['--record'], vectors: ['FOLDER'], pack: ['FOLDER'],
};

/** Why a command cannot have these arguments; undefined if it can. */
function problemWith(name, args) {
  const most = allowed[name];
  if (most === undefined) return undefined;
  const isAllowed = (arg) => most.includes(arg.startsWith('-') ? arg : 'FOLDER');
  if (args.length <= most.length && args.every(isAllowed)) return undefined;
  return `${name}: expected ${most.join(' ') || 'no arguments'}, got ${args.join(' ')}`;
}

/** Files of examples/ that programs import, and are none themselves. */
const parts = new Set(['files', 'gridLayer', 'ngram', 'options', 'runs', 'training']);

/** Runs the program of this name in a folder, compiled first. */
async function runProgram(folder, [name, ...args]) {
  const names = readdirSync(at(folder))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .filter((file) => !parts.has(file));
  const given = name === undefined ? '' : ` there is no '${name}',`;
  if (!names.includes(name)) fail(`${folder}:${given} expected one of ${names.join(', ')}`);
  else if (await prepare(folder)) await runHere(`${folder}/dist/${name}.js`, args);
}

/** Installs and compiles; false if that failed, with the exit code set. */
async function prepare(target) {
  return (await install()) && (await build(target));
}

// Installing

async function install() {
  const installed = digest([
    process.platform,
    process.arch,
    readFileSync(at('pnpm-lock.yaml')),
    readFileSync(at('pnpm-workspace.yaml')),
  ]);
  if (readStamp('installed') === installed) return true;
  const [pnpm, ...args] = findPnpm();
  console.error('Installing dependencies …');
  // In production mode pnpm would leave out all that building takes.
  const { NODE_ENV: _, ...env } = process.env;
  const isDone = await runQuietly(
    pnpm,
    // Without a terminal pnpm would refuse to replace a folder that something else has installed.
    [...args, 'install', '--frozen-lockfile', '--config.confirm-modules-purge=false'],
    { env, shell: isWindows },
  );
  if (isDone) writeStamp('installed', installed);
  return isDone;
}

/** The pnpm that package.json pins: that on the path if it is the same, else one fetched by npx. */
function findPnpm() {
  const { packageManager } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
  const version = packageManager.slice('pnpm@'.length);
  const { stdout } = spawnSync('pnpm', ['--version'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    shell: isWindows,
  });
  return stdout?.trim() === version ? ['pnpm'] : ['npx', '-y', packageManager];
}

// Building

async function build(target) {
  const { project, folders } = targets[target];
  // The smaller targets that this one contains are done with it.
  const parts = Object.entries(targets)
    .filter(([, part]) => part.folders.every((folder) => folders.includes(folder)))
    // As they are now: a source that changes meanwhile must be compiled again.
    .map(([name, part]) => ({ name, ...part, sources: stateOf(sourcesIn(part.folders)) }));
  const stampOf = (part) => digest([part.sources, stateOf(resultsIn(part.folders))]);
  const own = parts.find(({ name }) => name === target);
  if (readStamp(`built-${target}`) === stampOf(own)) return true;
  console.error('Compiling …');
  const tsc = [at('node_modules/typescript/bin/tsc'), '-b', project];
  if (process.stdout.isTTY) tsc.push('--pretty');
  const isDone = await runQuietly(process.execPath, tsc);
  if (isDone) for (const part of parts) writeStamp(`built-${part.name}`, stampOf(part));
  return isDone;
}

/** The sources and settings that a compilation of these folders depends on. */
function sourcesIn(folders) {
  const settings = ['package.json', 'tsconfig.json', 'tsconfig.base.json', 'vitest.config.ts'];
  return [stampPath('installed'), ...settings.map((file) => at(file)), ...folders.flatMap(walk)];
}

/** Where the compiler notes what it has done, for each project of these folders. */
function resultsIn(folders) {
  return folders
    .flatMap(walk)
    .filter((file) => basename(file) === 'tsconfig.json')
    .map((file) => join(dirname(file), 'dist/tsconfig.tsbuildinfo'));
}

const skipped = new Set(['dist', 'node_modules', 'generated', 'golden']);

function walk(folder) {
  if (!existsSync(at(folder))) return [];
  return readdirSync(at(folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : walk(path);
    return /\.(ts|json)$/.test(entry.name) ? at(path) : [];
  });
}

/** The names, times and sizes of files: equal as long as none was touched. */
function stateOf(files) {
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return `${file} ${stat?.mtimeMs} ${stat?.size}`;
    })
    .join('\n');
}

// Testing

async function runTests(args) {
  const report = stampPath('tests.json');
  rmSync(report, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const vitest = [at('node_modules/vitest/vitest.mjs'), 'run', ...reporters, ...args];
  const { code, isStopped } = await run(process.execPath, vitest, { stdio: 'inherit' });
  if (isStopped) return;
  const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
  const counts = results === undefined ? {} : countTests(results);
  const { passed = 0, skipped = 0 } = counts;
  // Vitest also fails for what belongs to no test, such as a rejected promise nobody waited for.
  const failed = counts.failed || (code === 0 ? 0 : 1);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
  for (const reason of leftOut(results)) console.log(`Browser tests were left out: ${reason}.`);
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
}

/** The counts of Vitest's report. A file that broke outside its tests counts as a failed test. */
function countTests(report) {
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/**
 * Why groups of tests were skipped, as their names say: `in Chromium (no Chromium was found …)`.
 */
function leftOut(report) {
  const skipped = (report?.testResults ?? []).flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status !== 'passed' && status !== 'failed');
  const reasons = skipped.flatMap(({ ancestorTitles }) => ancestorTitles)
    .flatMap((title) => /\((no Chromium .*)\)$/.exec(title)?.[1] ?? []);
  return [...new Set(reasons)];
}

// Running

/** Runs a compiled program in this process, so that signals and the terminal are its own. */
async function runHere(file, args) {
  process.argv.splice(1, Infinity, at(file), ...args);
  await import(pathToFileURL(at(file)).href);
}

/** Runs a command and shows what it printed only if it failed; false if it did. */
async function runQuietly(command, args, options = {}) {
  const stdio = ['ignore', 'pipe', 'pipe'];
  const { code, isStopped, output } = await run(command, args, { stdio, ...options });
  if (code === 0) return true;
  if (!isStopped) {
    process.stdout.write(output);
    process.exitCode = 1;
  }
  return false;
}

/**
 * Runs a command to its end. A signal that asks to stop is passed on, and sets the exit code as a
 * shell would.
 */
function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, ...options });
    const output = [];
    child.stdout?.on('data', (chunk) => output.push(chunk));
    child.stderr?.on('data', (chunk) => output.push(chunk));
    let isStopped = false;
    const stop = (signal) => {
      isStopped = true;
      process.exitCode = 128 + constants.signals[signal];
      child.kill(signal);
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve({ code, isStopped, output: Buffer.concat(output) });
    });
  });
}

// Stamps: what was done last, kept where an uninstall removes it.

function stampPath(name) {
  return at('node_modules/.cache/mambagrad', name);
}

function readStamp(name) {
  const path = stampPath(name);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function writeStamp(name, text) {
  mkdirSync(dirname(stampPath(name)), { recursive: true });
  writeFileSync(stampPath(name), text);
}

function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

function fail(message) {
  console.error(message);
  process.exitCode = 2;
}

const [major, minor] = process.versions.node.split('.').map(Number);
const [name, ...args] = process.argv.slice(2);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`mambagrad needs Node 20.19 or later, and this is ${process.versions.node}`);
} else if (!Object.hasOwn(commands, name)) {
  fail(`expected one of ${Object.keys(commands).join(', ')}`);
} else {
  // `pnpm test -- filter` hands on the dashes that `npm test -- filter` keeps to itself.
  const given = args[0] === '--' ? args.slice(1) : args;
  const problem = problemWith(name, given);
  if (problem === undefined) await commands[name](given);
  else fail(problem);
}
