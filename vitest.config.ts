import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Tests that need a process of their own, with an engine as users have it: they look at all that a
 * process has allocated, or end by what the engine does without being asked.
 */
const untouched = ['test/tensor/{compile/heap,compile/memory,core/memory}.test.ts'];

/**
 * Tests that need a process of their own: they replace modules, take memory or threads away, set
 * flags of the engine, or look at all that a process has defined.
 */
const alone = [
  'test/{contributing,docs}.test.ts',
  'test/options/options.test.ts',
  'test/tensor/compile/{engines,limits,state,threads}.test.ts',
  'test/tensor/core/limits.test.ts',
  'test/tensor/ops/primitives.test.ts',
  'test/wasm/assembler/instructions.test.ts',
  'test/wasm/threads/browser.test.ts',
];

/** The files that take longest, in order. */
const longest = [
  'docs', 'tensor/compile/{memory,threads}', 'options/options', 'tensor/core/memory',
  'book/site', 'publish/consumer', 'examples', 'browser/docs', 'examples/micro',
  'tensor/compile/table', 'bundle/bundle', 'browser/{packages,playground,pieces}',
  'tensor/ops/table', 'browser/exercisePages',
  'browser/examples', 'nn/training/{resumed,trainer}', 'exercises/runner', 'mamba/models/sequences',
  'tensor/compile/random', 'browser/{book,chromium,storage,threads}', 'mamba/ops/selectiveScan',
  'mamba/text/generation', 'tensor/compile/long', 'mamba/models/{models,nonFiniteModels}',
  'tensor/compile/compile', 'mamba/ops/{threads,ssd}', 'mamba/testing/{scans,wrongScans}',
  'tensor/ops/program', 'tensor/compile/programs', 'wasm/threads/threads',
  'nn/checkpoints/{checkpoint,folder}', 'exercises/mutants', 'kernel/language/twins',
].flatMap(spread).map((name) => `/test/${name}.test.ts`);

/** A name with alternatives in braces as one for each. */
function spread(name: string): string[] {
  const [, before, names, after] = /^(.*)\{(.*)\}(.*)$/.exec(name) ?? ['', name, '', ''];
  return names.split(',').map((one) => `${before}${one}${after}`);
}

/**
 * Begins with the files that take longest, so that none of them is what all wait for in the end.
 * Vitest orders files by what they took the last time, of which a fresh clone knows nothing.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const groupOf = ({ project }: TestSpecification) => project.config.sequence.groupOrder;
    const placeOf = ({ moduleId }: TestSpecification) => {
      const place = longest.findIndex((file) => moduleId.endsWith(file));
      return place < 0 ? longest.length : place;
    };
    return sorted.sort((a, b) => groupOf(a) - groupOf(b) || placeOf(a) - placeOf(b));
  }
}

// The packages' sources rather than what was compiled from them: failures point at real lines.
const ssr = {
  resolve: { conditions: ['@mambagrad/source', 'module', 'node', 'development'] },
};

/**
 * Where modules are kept as Vitest has transformed them, for the other project and for later runs.
 * Each is named by its content; what an import of a package resolves to is in these files.
 */
function moduleCache(): string {
  const root = fileURLToPath(new URL('.', import.meta.url));
  const packages = readdirSync(join(root, 'packages'))
    .map((name) => `packages/${name}/package.json`);
  const hash = createHash('sha256');
  for (const file of ['package.json', 'tsconfig.base.json', ...packages]) {
    const path = join(root, file);
    if (existsSync(path)) hash.update(file).update(readFileSync(path));
  }
  return join(root, 'node_modules/.cache/mambagrad/modules', hash.digest('hex').slice(0, 16));
}

const experimental = { fsModuleCache: true, fsModuleCachePath: moduleCache() };

const common = {
  experimental,
  globalSetup: 'test/support/seed.ts',
  setupFiles: 'test/setup.ts',
  environment: 'node',
  testTimeout: 150_000,
  hookTimeout: 150_000,
} as const;

/**
 * Most of what tests run is run a few times only. Before Node 22 the engine takes it for hot, and
 * spends a quarter of the time on making machine code of it; so it is told to wait.
 */
const isEarly = Number(process.versions.node.split('.')[0]) < 22;
const patient = isEarly ? ['--interrupt-budget=500000'] : [];

export default defineConfig({
  test: {
    experimental,
    // A worker for each core; two where there is one, as tests wait for browsers and processes.
    maxWorkers: Math.max(2, availableParallelism()),
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        ssr,
        test: { ...common, name: 'untouched', include: untouched, sequence: { groupOrder: 0 } },
      },
      {
        ssr,
        test: {
          ...common, name: 'alone', include: alone, execArgv: patient, sequence: { groupOrder: 1 },
        },
      },
      {
        // One process for many files: the library is loaded, and made fast by the engine, once.
        ssr,
        test: {
          ...common,
          name: 'together',
          setupFiles: ['test/setup.ts', 'test/setupTwins.ts'],
          include: ['test/**/*.test.ts'],
          exclude: [...alone, ...untouched],
          isolate: false,
          // Much of what tests make is garbage at once: less often, and without more threads.
          execArgv: ['--max-semi-space-size=64', '--single-threaded-gc', ...patient],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
