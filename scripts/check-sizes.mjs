/**
 * Lists folders of more than 12 files, files of more than 300 lines and functions of more than 60 lines in what we ship.
 * `--strict` fails when there is one that {@link EXCEPTIONS} does not name.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import ts from 'typescript'

const ROOTS = ['src', 'clients/typescript/src']
const LIMITS = { folder: 12, file: 300, function: 60 }
/** Each with its reason. */
const EXCEPTIONS = new Set([
  // One Keccak permutation, unrolled.
  'src/merkle/kernel/assembly/keccak.ts',
])

const files = ROOTS.flatMap((root) =>
  readdirSync(root, { recursive: true })
    .map((name) => `${root}/${name}`)
    .filter(
      (name) => name.endsWith('.ts') && !name.endsWith('.generated.ts') && !name.includes('/assembly/'),
    ),
)

const findings = []
const perFolder = new Map()
for (const file of files) {
  perFolder.set(dirname(file), (perFolder.get(dirname(file)) ?? 0) + 1)
  const text = readFileSync(file, 'utf8')
  const lines = text.split('\n').length - 1
  if (lines > LIMITS.file) findings.push({ place: file, what: `${lines} lines` })
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true), file)
}
for (const [folder, count] of perFolder) {
  if (count > LIMITS.folder) findings.push({ place: folder, what: `${count} files` })
}

function visit(node, file) {
  if (ts.isFunctionLike(node) && 'body' in node && node.body) {
    const source = node.getSourceFile()
    const lineOf = (at) => source.getLineAndCharacterOfPosition(at).line
    const lines = lineOf(node.end) - lineOf(node.getStart()) + 1
    if (lines > LIMITS.function) {
      const name = node.name?.getText() ?? node.parent?.name?.getText?.() ?? 'a function'
      findings.push({ place: `${file}:${name}`, what: `${lines} lines` })
    }
  }
  ts.forEachChild(node, (child) => visit(child, file))
}

const open = findings.filter(({ place }) => !EXCEPTIONS.has(place))
for (const { place, what } of open) process.stdout.write(`${place}: ${what}\n`)
process.stdout.write(`${files.length} files, ${open.length} over a limit\n`)
process.exit(process.argv.includes('--strict') && open.length > 0 ? 1 : 0)
