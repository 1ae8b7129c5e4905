#!/usr/bin/env -S node --max-semi-space-size=64
import { Command, CommanderError, Option } from 'commander'
/**
 * The `holdfast` command. Each subcommand has a file of its own; here are only its words.
 *
 * Node is given 64 MB for young objects instead of 16: what a request leaves behind is collected four times less
 * often, measured 8 % more single pushes a second (docs/benchmarks.md).
 */
import { VERSION } from '../daemon/version.ts'
import { reportError, usageStatus } from './report-error.ts'
import { visible } from './terminal.ts'

/** A command's file is loaded when the command runs: most need neither the database nor the chain. */
function lazily<A extends unknown[]>(load: () => Promise<(...args: A) => Promise<void>>) {
  return async (...args: A): Promise<void> => (await load())(...args)
}

const program = new Command('holdfast')
  .description('Push 32-byte hashes, prove later that they existed: Merkle batches anchored on an EVM chain.')
  .version(VERSION)
  .showHelpAfterError()
  .configureOutput({ writeErr: (text) => process.stderr.write(visible(text)) })
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
  .action(lazily(async () => (await import('./dev.ts')).dev))
program
  .command('serve')
  .description(
    'the daemon, against the DATABASE_URL, RPC and key of the configuration (docs/configuration.md)',
  )
  .action(lazily(async () => (await import('./serve.ts')).serve))
program
  .command('migrate')
  .description('brings the database at DATABASE_URL to this version')
  .action(lazily(async () => (await import('./migrate.ts')).migrate))
program
  .command('deploy')
  .description('deploys the registry on every configured chain, unless it is there')
  .action(lazily(async () => (await import('./deploy.ts')).deploy))

const keys = program.command('keys').description('API keys of producers, auditors and operators')
keys
  .command('create <name>')
  .description('makes a key and prints it, once')
  .option('--scope <scope>', 'ingest, audit or admin; may be repeated (default: ingest)', orMore)
  .action(lazily(async () => (await import('./keys.ts')).createKey))
keys
  .command('list')
  .description('lists sources and their scopes')
  .action(lazily(async () => (await import('./keys.ts')).listKeys))
keys
  .command('revoke <name>')
  .description('ends a key; effective within 5 seconds')
  .action(lazily(async () => (await import('./keys.ts')).revokeKey))

program
  .command('push <file...>')
  .description('pushes hashes from files or standard input (-), one a line: 64 hex digits or an NDJSON item')
  .addOption(
    new Option('--records', 'each line is a JSON record: its hash is pushed and printed').conflicts('files'),
  )
  .addOption(
    new Option('--files', 'the files are documents: the SHA-256 of each is pushed and printed').conflicts(
      'records',
    ),
  )
  .addOption(url())
  .addOption(key())
  .addHelpText(
    'after',
    `
Examples:
  holdfast push hashes.txt
  holdfast push --files invoice.pdf contract.pdf
  jq -c '.[]' orders.json | holdfast push --records -`,
  )
  .action(lazily(async () => (await import('./push.ts')).push))
program
  .command('receipt [hash]')
  .usage('[options] <hash>')
  .description('prints the receipt of a record hash')
  .option('--wait [seconds]', 'waits until it is anchored (default: 300)')
  .addOption(url())
  .addOption(key())
  .action(lazily(async () => (await import('./receipt.ts')).fetchReceipt))
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
  .action(lazily(async () => (await import('./verify.ts')).verify))
program
  .command('status')
  .description('what waits at each step, and how every chain stands')
  .option('--json', 'prints the answer as it is')
  .addOption(url())
  .addOption(key())
  .action(lazily(async () => (await import('./status.ts')).showStatus))
const anchors = program
  .command('anchors')
  .description('what became of every root, and what an operator may do')
anchors
  .command('list')
  .description('newest first')
  .option('--chain <id>', 'of this chain only')
  .option('--limit <count>', 'at most this many', '20')
  .option('--json', 'prints them as JSON')
  .action(lazily(async () => (await import('./anchors.ts')).showAnchors))
anchors
  .command('show <id>')
  .description('an anchor with every transaction that was signed for it')
  .option('--json', 'prints it as JSON')
  .action(lazily(async () => (await import('./anchors.ts')).showAnchor))
anchors
  .command('retry <id>')
  .description('offers more now, not when the time comes')
  .action(lazily(async () => (await import('./anchors.ts')).retryAnchor))
anchors
  .command('cancel <id>')
  .description('gives the transaction up for a no-op, then anchors the same root anew')
  .action(lazily(async () => (await import('./anchors.ts')).cancelAnchor))
anchors
  .command('resume')
  .description('lets paused accounts sign again, once you have seen to the cause')
  .option('--chain <id>', 'on this chain only')
  .action(lazily(async () => (await import('./anchors.ts')).resumeAnchoring))
program
  .command('doctor')
  .description(
    'checks everything the daemon rests on, whether it runs or not, and says what to do. Exit status: 1 when a check failed',
  )
  .option('--json', 'prints the findings as JSON')
  .action(lazily(async () => (await import('./doctor.ts')).doctor))

program.addHelpText(
  'after',
  `
Try it on this machine: holdfast dev, and in another terminal:
  holdfast push --files README.md
  holdfast receipt --wait <the hash it printed> > receipt.json
  holdfast verify --file README.md receipt.json`,
)

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = error instanceof CommanderError ? usageStatus(error.exitCode) : reportError(error)
}
