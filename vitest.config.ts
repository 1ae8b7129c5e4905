import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { testFiles } from './test/support/kinds.ts'

const CLIENT_SOURCES = fileURLToPath(new URL('./clients/typescript/src/', import.meta.url))
const { unit, integration } = testFiles()
const seed = propertySeed()

export default defineConfig({
  resolve: {
    // Tests in this process run the client's sources; child processes run what was built.
    alias: [
      { find: /^holdfast-client$/, replacement: `${CLIENT_SOURCES}index.ts` },
      { find: /^holdfast-client\/(.*)$/, replacement: `${CLIENT_SOURCES}$1.ts` },
    ],
  },
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: unit, isolate: false } },
      {
        extends: true,
        test: { name: 'integration', include: integration, globalSetup: ['test/support/global-setup.ts'] },
      },
    ],
    setupFiles: ['test/support/property-seed.ts'],
    provide: { propertySeed: seed },
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

/**
 * One for every property test of the run, so that a failure can be repeated. Projects evaluate this file anew: the
 * first evaluation decides.
 */
function propertySeed(): number {
  if (process.env.FAST_CHECK_SEED === undefined) {
    process.env.FAST_CHECK_SEED = String(Math.floor(Math.random() * 2 ** 31))
    process.stdout.write(`property tests: FAST_CHECK_SEED=${process.env.FAST_CHECK_SEED} repeats them\n`)
  }
  return Number(process.env.FAST_CHECK_SEED)
}
