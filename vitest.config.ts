import { defineConfig } from 'vitest/config';

// Packages resolve to their sources, so that a test never runs yesterday's build.
const conditions = ['holdfast-source'];
const ssr = { resolve: { conditions, externalConditions: conditions } };

const inSources = ['packages/*/src/**', 'tools/**'];
const inThreads = {
  pool: 'threads',
  maxWorkers: 2,
  // No test file changes what another one imports; loading all of it for each of them would take
  // as long as the tests.
  isolate: false,
  testTimeout: 20_000,
} as const;

export default defineConfig({
  resolve: { conditions },
  ssr,
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          sequence: { groupOrder: 0 },
          include: inSources.map((folder) => `${folder}/*.test.ts`),
          exclude: ['**/*.long.test.ts'],
          ...inThreads,
        },
      },
      {
        extends: true,
        test: {
          // No processes either, but many rounds: whoever works on a room waits for `unit` alone.
          name: 'long',
          sequence: { groupOrder: 1 },
          include: inSources.map((folder) => `${folder}/*.long.test.ts`),
          ...inThreads,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          // After the unit tests: real processes and their clocks want the machine to themselves.
          sequence: { groupOrder: 2 },
          include: ['tests/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 1,
          fileParallelism: false,
          // Side by side only what mostly waits, and no more of it than there are cores.
          maxConcurrency: 2,
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
