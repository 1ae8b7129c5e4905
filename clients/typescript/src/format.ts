/** Name of the tree whose paths receipts hold; docs/design.md, "The tree". */
export const TREE_NAME = 'holdfast-keccak-v1'
