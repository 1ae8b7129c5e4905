#!/usr/bin/env -S node --max-semi-space-size=64
import { Command, CommanderError, Option } from 'commander'
/**
 * The `holdfast` command. Each subcommand has a file of its own; here are only its words.
 *
 * Node is given 64 MB for young objects instead of 16: what a request leaves behind is collected four times less
 * often, measured 8 % more single pushes a second (docs/benchmarks.md).
 */
import { VERSION } from '../daemon/version.ts'
import { cancelAnchor, resumeAnchoring, retryAnchor, showAnchor, showAnchors } from './anchors.ts'
import { deploy } from './deploy.ts'
import { dev } from './dev.ts'
import { doctor } from './doctor.ts'
import { createKey, listKeys, revokeKey } from './keys.ts'
import { migrate } from './migrate.ts'
import { push } from './push.ts'
import { fetchReceipt } from './receipt.ts'
import { reportError, usageStatus } from './report-error.ts'
import { serve } from './serve.ts'
import { showStatus } from './status.ts'
import { verify } from './verify.ts'

const program = new Command('holdfast')
  .description('Push 32-byte hashes, prove later that they existed: Merkle batches anchored on an EVM chain.')
  .version(VERSION)
  .showHelpAfterError()
  .exitOverride()

const url = () => new Option('--url <url>', 'the daemon').env('HOLDFAST_URL').default('http://127.0.0.1:8080')
const key = () =>
  new Option(
    '--key <key>',
    'API key; `holdfast dev` leaves one in .holdfast/api-key, which is used otherwise',
  ).env('HOLDFAST_API_KEY')

/** An option that takes one value each time it is given, so that it never swallows an argument behind it. */
const orMore = (value: string, before: string[] = []) => [...before, value]

program
  .command('dev')
  .description('everything on this machine: PostgreSQL, a development chain, the contract, a key, the daemon')
  .option('--port <port>', 'of the API', '8080')
  .option('--rpc-port <port>', 'of the development chain', '8545')
  .option('--postgres-port <port>', 'of PostgreSQL (default: a free one)')
  .option('--state <folder>', 'what is kept between runs', '.holdfast')
  .action(dev)
program
  .command('serve')
  .description(
    'the daemon, against the DATABASE_URL, RPC and key of the configuration (docs/configuration.md)',
  )
  .action(serve)
program.command('migrate').description('brings the database at DATABASE_URL to this version').action(migrate)
program
  .command('deploy')
  .description('deploys the registry on every configured chain, unless it is there')
  .action(deploy)

const keys = program.command('keys').description('API keys of producers, auditors and operators')
keys
  .command('create <name>')
  .description('makes a key and prints it, once')
  .option('--scope <scope>', 'ingest, audit or admin; may be repeated (default: ingest)', orMore)
  .action(createKey)
keys.command('list').description('lists sources and their scopes').action(listKeys)
keys.command('revoke <name>').description('ends a key; effective within 5 seconds').action(revokeKey)

program
  .command('push <file...>')
  .description('pushes the hashes in a file, or in standard input (-): a hex hash or an NDJSON item a line')
  .option('--records', 'each line is a JSON record; it is hashed here and only its hash leaves')
  .option('--files', 'the arguments are documents: the SHA-256 of each one’s bytes is pushed')
  .addOption(url())
  .addOption(key())
  .action(push)
program
  .command('receipt <hash>')
  .description('prints the receipt of a record hash')
  .option('--wait [seconds]', 'waits until it is anchored')
  .addOption(url())
  .addOption(key())
  .action(fetchReceipt)
program
  .command('verify <receipt>')
  .description('checks a receipt (file, - or JSON) against its chains; needs no daemon')
  .option(
    '--rpc <url>',
    'an RPC endpoint, or eip155:1=<url> for one chain; may be repeated, all must agree',
    orMore,
  )
  .option('--require <count>', 'how many endpoints of a chain must answer (default: 1)')
  .option('--registry <address>', 'a registry you rely on, or eip155:1=<address>; may be repeated', orMore)
  .option('--publisher <address>', 'an account you rely on, or eip155:1=<address>; may be repeated', orMore)
  .option('--file <document>', 'the document that the receipt must be for')
  .option('--record <file>', 'the JSON record that the receipt must be for')
  .option('--hash <hash>', 'the hash that the receipt must be for')
  .option('--final', 'valid only once the block is final')
  .option('--by <time>', 'valid only if the block is not later, as 2026-01-31T09:30:00Z')
  .option('--json', 'prints the result as JSON')
  .addHelpText(
    'after',
    '\nWithout --registry, only the registry that Holdfast publishes counts.\nExit status: 0 valid, 1 not valid, 2 not decided, 64 and up for errors.',
  )
  .action(verify)
program
  .command('status')
  .description('what waits at each step, and how every chain stands')
  .option('--json', 'prints the answer as it is')
  .addOption(url())
  .addOption(key())
  .action(showStatus)
const anchors = program
  .command('anchors')
  .description('what became of every root, and what an operator may do')
anchors
  .command('list')
  .description('newest first')
  .option('--chain <id>', 'of this chain only')
  .option('--limit <count>', 'at most this many', '20')
  .option('--json', 'prints them as JSON')
  .action(showAnchors)
anchors
  .command('show <id>')
  .description('an anchor with every transaction that was signed for it')
  .option('--json', 'prints it as JSON')
  .action(showAnchor)
anchors.command('retry <id>').description('offers more now, not when the time comes').action(retryAnchor)
anchors
  .command('cancel <id>')
  .description('gives the transaction up for a no-op, then anchors the same root anew')
  .action(cancelAnchor)
anchors
  .command('resume')
  .description('lets paused accounts sign again, once you have seen to the cause')
  .option('--chain <id>', 'on this chain only')
  .action(resumeAnchoring)
program
  .command('doctor')
  .description(
    'checks everything the daemon rests on, whether it runs or not, and says what to do. Exit status: 1 when a check failed',
  )
  .option('--json', 'prints the findings as JSON')
  .action(doctor)

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = error instanceof CommanderError ? usageStatus(error.exitCode) : reportError(error)
}
