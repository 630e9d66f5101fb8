import { defineConfig } from 'vitest/config';

/**
 * Tests that need a process of their own: they replace modules, take memory or threads away,
 * set flags of the engine, look at all that a process has allocated or defined, or end by what the
 * engine does without being asked.
 */
const alone = [
  'test/{contributing,docs}.test.ts',
  'test/options/options.test.ts',
  'test/mamba/ops/threads.test.ts',
  'test/tensor/compile/{engines,heap,limits,memory,state,threads}.test.ts',
  'test/tensor/core/{limits,memory}.test.ts',
  'test/tensor/ops/table.test.ts',
  'test/tensor/scan/threads.test.ts',
  'test/wasm/assembler/instructions.test.ts',
];

// The packages' sources rather than what was compiled from them: failures point at real lines.
const ssr = {
  resolve: { conditions: ['@mambagrad/source', 'module', 'node', 'development'] },
};

const common = {
  globalSetup: 'test/support/seed.ts',
  setupFiles: 'test/setup.ts',
  environment: 'node',
  testTimeout: 150_000,
  hookTimeout: 150_000,
} as const;

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        ssr,
        test: { ...common, name: 'alone', include: alone, sequence: { groupOrder: 0 } },
      },
      {
        // One process for many files: the library is loaded, and made fast by the engine, once.
        ssr,
        test: {
          ...common,
          name: 'together',
          setupFiles: ['test/setup.ts', 'test/setupTwins.ts'],
          include: ['test/**/*.test.ts'],
          exclude: alone,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
