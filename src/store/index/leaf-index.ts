/**
 * The leaf index: from a leaf to where it stands. An entry is 16 bytes, big-endian so that bytewise order is the
 * order of (key, batch, leaf): the leaf's first 8 bytes, the batch id (4), the leaf's number in the batch (4).
 * Entries lie sorted in runs, packed 251 to a row of `leaf_page`: two such rows fill a page of 8 KB, and the table's
 * `toast_tuple_target` keeps them from being moved out to TOAST, from where reading an entry takes several times as long.
 */
export const ENTRY_BYTES = 16
export const KEY_BYTES = 8
export const PAGE_ENTRIES = 251
