"""What the fake holds: batches, anchors, and a chain with one block an anchor. Makes real trees and
receipts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..exchange.records import Receipt
from ..hashing import keccak256
from ..merkle import leaf_of, path_in, tree_levels

CHAIN_ID = 31337
REGISTRY = "0x84551eB996F70258294E5642Ad09f87EB3c8864A"
PUBLISHER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
EVENT = keccak256(b"Anchored(address,bytes32)")


@dataclass(slots=True)
class Batch:
    number: int
    received_at: list[datetime]
    levels: list[list[bytes]]
    anchor: Anchor | None = None

    @property
    def root(self) -> bytes:
        return self.levels[-1][0]


@dataclass(slots=True)
class Anchor:
    number: int
    block_time: datetime
    batches: list[Batch]
    levels: list[list[bytes]] = field(repr=False)
    finalized: bool = False

    @property
    def root(self) -> bytes:
        return self.levels[-1][0]

    @property
    def block_number(self) -> int:
        return self.number

    @property
    def block_hash(self) -> str:
        return "0x" + keccak256(b"block %d" % self.number).hex()

    @property
    def transaction_hash(self) -> str:
        return "0x" + keccak256(b"transaction %d" % self.number).hex()


@dataclass(slots=True)
class Ledger:
    """Not safe for threads; the fake holds a lock."""

    stored: list[bytes] = field(default_factory=list)
    pending: list[tuple[bytes, datetime]] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    leaves: dict[bytes, tuple[Batch, int]] = field(default_factory=dict)

    def store(self, hashes: list[bytes], received_at: datetime) -> None:
        self.stored.extend(hashes)
        self.pending.extend((hash_, received_at) for hash_ in hashes)

    def seal(self) -> None:
        """Makes one batch of everything pending."""
        if not self.pending:
            return
        hashes = [hash_ for hash_, _ in self.pending]
        times = [received_at for _, received_at in self.pending]
        batch = Batch(len(self.batches) + 1, times, tree_levels([leaf_of(hash_) for hash_ in hashes]))
        self.pending.clear()
        self.batches.append(batch)
        for index, hash_ in enumerate(hashes):
            self.leaves.setdefault(hash_, (batch, index))

    def anchor(self, block_time: datetime) -> None:
        """Seals, then puts all batches that are not anchored under one root in one block."""
        self.seal()
        batches = [batch for batch in self.batches if batch.anchor is None]
        if not batches:
            return
        levels = tree_levels([batch.root for batch in batches])
        anchor = Anchor(len(self.anchors) + 1, block_time, batches, levels)
        self.anchors.append(anchor)
        for batch in batches:
            batch.anchor = anchor

    def status(self, hash_: bytes) -> str:
        found = self.leaves.get(hash_)
        if found is None:
            return "accepted" if any(hash_ == waiting for waiting, _ in self.pending) else "unknown"
        anchor = found[0].anchor
        if anchor is None:
            return "sealed"
        return "finalized" if anchor.finalized else "anchored"

    def received_at(self, hash_: bytes) -> datetime:
        if hash_ in self.leaves:
            batch, index = self.leaves[hash_]
            return batch.received_at[index]
        return next(received_at for waiting, received_at in self.pending if waiting == hash_)

    def receipt(self, hash_: bytes) -> Receipt | None:
        found = self.leaves.get(hash_)
        if found is None or found[0].anchor is None:
            return None
        batch, index = found
        return {
            "format": "holdfast-receipt/1",
            "tree": "holdfast-keccak-v1",
            "hash": _hex(hash_),
            "receivedAt": time_text(batch.received_at[index]),
            "leaf": _hex(batch.levels[0][index]),
            "batch": {
                "id": str(batch.number),
                "leafIndex": index,
                "leafCount": len(batch.levels[0]),
                "root": _hex(batch.root),
            },
            "path": [_hex(node) for node in path_in(batch.levels, index)],
            "anchors": [_anchor_document(batch)],
        }


def _anchor_document(batch: Batch) -> dict[str, Any]:
    anchor = batch.anchor
    assert anchor is not None
    return {
        "chainId": f"eip155:{CHAIN_ID}",
        "registry": REGISTRY,
        "publisher": PUBLISHER,
        "root": _hex(anchor.root),
        "path": [_hex(node) for node in path_in(anchor.levels, anchor.batches.index(batch))],
        "transactionHash": anchor.transaction_hash,
        "blockNumber": anchor.block_number,
        "blockHash": anchor.block_hash,
        "blockTime": time_text(anchor.block_time),
        "status": "finalized" if anchor.finalized else "mined",
    }


def time_text(when: datetime) -> str:
    utc = when.astimezone(timezone.utc).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
