import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const CLIENT_SOURCES = fileURLToPath(new URL('./clients/typescript/src/', import.meta.url))

export default defineConfig({
  resolve: {
    // Tests in this process run the client's sources; child processes run what was built.
    alias: [
      { find: /^holdfast-client$/, replacement: `${CLIENT_SOURCES}index.ts` },
      { find: /^holdfast-client\/(.*)$/, replacement: `${CLIENT_SOURCES}$1.ts` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts', 'clients/typescript/test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // The counts that .ci/run closes with.
    reporters: ['default', 'json'],
    outputFile: { json: 'build/test-results.json' },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
})
