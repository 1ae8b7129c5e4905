/** The public face of `holdfast-client`. In: hashes and receipts. Out: durable acknowledgements and verdicts. */
export { TREE_NAME } from './format.ts'
