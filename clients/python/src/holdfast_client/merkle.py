"""The tree `holdfast-keccak-v1`, as docs/receipt-format.md says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .hashing import keccak256


def leaf_of(hash_: bytes) -> bytes:
    return keccak256(keccak256(hash_))


def fold(node: bytes, path: Iterable[bytes]) -> bytes:
    """Returns the root that siblings, lowest first, lead to."""
    for sibling in path:
        node = keccak256(node + sibling if node < sibling else sibling + node)
    return node


def path_length(leaf_index: int, leaf_count: int) -> int:
    """Returns how many siblings a leaf has: fewer than others where it moves up without a partner."""
    length, index, count = 0, leaf_index, leaf_count
    while count > 1:
        if not (index == count - 1 and count % 2 == 1):
            length += 1
        index //= 2
        count = (count + 1) // 2
    return length


def tree_levels(nodes: Sequence[bytes]) -> list[list[bytes]]:
    """Returns all levels of the tree over the lowest nodes, root last. Needs one node at least."""
    levels = [list(nodes)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [fold(below[i], [below[i + 1]]) for i in range(0, len(below) - 1, 2)]
        if len(below) % 2 == 1:
            above.append(below[-1])
        levels.append(above)
    return levels


def path_in(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Returns the siblings of a lowest node, lowest first."""
    path = []
    for level in levels[:-1]:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        index //= 2
    return path
