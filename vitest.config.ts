import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The packages' sources rather than what was compiled from them: failures point at real lines.
  ssr: { resolve: { conditions: ['@mambagrad/source', 'module', 'node', 'development'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/seed.ts',
    setupFiles: 'test/setup.ts',
    environment: 'node',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
