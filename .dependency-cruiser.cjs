/**
 * The room table of docs/design.md: who may import whom inside src/. Every room not named in a rule's `may` is
 * forbidden to it, so a new room starts with no rights.
 */
const ROOMS = {
  core: [],
  config: ['core'],
  merkle: ['core'],
  store: ['core'],
  ingest: ['core', 'merkle', 'store'],
  seal: ['core', 'merkle', 'store'],
  anchor: ['core', 'merkle', 'store'],
  prove: ['core', 'merkle', 'store'],

  verify: ['core'],
  http: ['core', 'ingest', 'prove', 'verify', 'store'],
  ops: ['core'],
  client: ['core', 'verify'],
  dev: ['core', 'config'],
}

const roomRules = Object.entries(ROOMS).map(([room, may]) => ({
  name: `${room}-imports-only-${['itself', ...may].join('-')}`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${[room, ...may].join('|')})/` },
}))

/** Each of these packages has one room (and the wiring nowhere else). */
const onlyIn = (packages, rooms) => ({
  name: `${packages.split('|')[0]}-only-in-${rooms.split('|').join('-')}`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/(${rooms})/` },
  to: { path: `^node_modules/(${packages})/` },
})

/** The client package, whichever way it resolves: to its sources, to what was built of it, or by name. */
const CLIENT = '(^|/)clients/typescript/|holdfast-client'
/** `core` may share its pure vocabulary; the rooms of the data's path that touch no chain have no use for it. */
const USERS_OF_CLIENT = 'core|anchor|verify|dev|http|client|daemon|doctor|cli'

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...roomRules,
    onlyIn('pg|kysely|pg-copy-streams', 'store'),
    onlyIn('fastify|@fastify', 'http'),
    onlyIn('ethers', 'anchor|verify'),
    onlyIn('pino|pino-pretty|prom-client', 'ops'),
    onlyIn('merkletreejs|keccak256', 'verify'),
    onlyIn('commander|cli-progress', 'cli'),
    {
      name: `holdfast-client-only-in-${USERS_OF_CLIENT.split('|').join('-')}`,
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(${USERS_OF_CLIENT})/` },
      to: { path: CLIENT },
    },
    { name: 'no-circular', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    {
      name: 'no-dev-dependency-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'src-never-imports-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|examples)/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
