"""The check of a receipt, step by step as docs/receipt-format.md says. Written from that page alone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

from ..encoders import Encoder
from ..errors import InvalidInputError
from ..hashing import Hash, hash_text
from ..merkle import fold, leaf_of, path_length
from ..records import hash_record
from .chain import CONFIRMED, DENIED, UNREAD, Reading, read_anchor
from .form import Anchor, CheckedReceipt, FormError, checksum_address, read_receipt
from .rpc import HttpRpcEndpoint, RpcEndpoint
from .verdict import DISAGREE, FAILED, FOREIGN, AnchorVerdict, Verdict, Wanted, conclude, contradicted

PUBLISHED_REGISTRY = "0x84551eB996F70258294E5642Ad09f87EB3c8864A"
"""Holdfast's AnchorRegistry, at this address on every chain."""

Endpoints: TypeAlias = str | RpcEndpoint | Sequence[str | RpcEndpoint]
Addresses: TypeAlias = str | Sequence[str] | Mapping[str, str | Sequence[str]]
Document: TypeAlias = str | bytes | Mapping[str, Any]

_CLOCK_TOLERANCE_MS = 300_000
_DOWN_SECONDS = 30.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class _Named:
    """Addresses that the auditor named: for every chain, or by chain."""

    everywhere: frozenset[str]
    by_chain: Mapping[str, frozenset[str]]

    def on(self, chain: str) -> frozenset[str]:
        return self.by_chain.get(chain, self.everywhere)


class Verifier:
    """Checks any number of receipts. Reads each anchor once, so that receipts of one anchor share its
    answers.

    `rpc`: endpoints that you chose, for all chains, or a dict of them by chain (`"eip155:1"`). `registry` and
    `publisher`: addresses that count, one, several, or a dict by chain; without a registry, the published one
    counts. `by`: a block by this time. `final`: a final block. `require`: how many endpoints must answer.
    `timeout`: seconds for each call to an endpoint, retries included.
    """

    def __init__(
        self,
        rpc: Endpoints | Mapping[str, Endpoints],
        *,
        registry: Addresses | None = None,
        publisher: Addresses | None = None,
        by: datetime | None = None,
        final: bool = False,
        require: int = 1,
        timeout: float = 10.0,
    ) -> None:
        if by is not None and by.utcoffset() is None:
            raise InvalidInputError("`by` has no time zone, so it names no instant.")
        self._everywhere: list[RpcEndpoint] = [] if isinstance(rpc, Mapping) else _endpoints(rpc, timeout)
        by_chain = rpc if isinstance(rpc, Mapping) else {}
        self._by_chain = {_chain(chain): _endpoints(given, timeout) for chain, given in by_chain.items()}
        self._registries = _addresses(registry)
        self._publishers = _addresses(publisher)
        self._wanted = Wanted(by, final)
        self._require = require
        self._down: dict[int, tuple[float, Reading]] = {}
        self._read: dict[tuple[Any, ...], tuple[Reading, ...]] = {}

    def verify(
        self,
        receipt: Document,
        *,
        hash_: Hash | None = None,
        record: Any = ...,
        encoder: Encoder | None = None,
    ) -> Verdict:
        """Checks one receipt, and that it is of this hash or record where one is given.

        Never raises because of the receipt or the endpoints; raises InvalidInputError for your own arguments.
        """
        subject = None if hash_ is None else hash_text(hash_)
        if record is not ...:
            of_record = hash_record(record, encoder=encoder)
            if subject not in (None, of_record):
                raise InvalidInputError(f"hash_ and record differ: the record's hash is {of_record}.")
            subject = of_record
        try:
            checked = read_receipt(receipt)
        except FormError as error:
            return contradicted("form", f"not a receipt: {error}")
        own = hash_text(checked.hash)
        if subject not in (None, own):
            return contradicted("subject", f"the receipt is of {own}, not of {subject}", own)
        fault = _path_fault(checked)
        if fault:
            return contradicted("path", fault, own)
        anchors = [self._anchor(checked, anchor) for anchor in checked.anchors]
        caveats = [] if subject else ["no record or hash was given to compare with"]
        strangers = sorted(
            {
                each.publisher
                for each in anchors
                if each.outcome == CONFIRMED and not self._publishers.on(each.chain)
            }
        )
        if strangers:
            caveats.append(
                f"you named no publisher: whether {', '.join(strangers)} is the right one is not checked"
            )
        return conclude(own, anchors, self._wanted, caveats=caveats, remarks=_remarks(checked, anchors))

    def close(self) -> None:
        """Closes the endpoints' connections."""
        for endpoint in [*self._everywhere, *(each for part in self._by_chain.values() for each in part)]:
            if isinstance(endpoint, HttpRpcEndpoint):
                endpoint.close()

    def _anchor(self, receipt: CheckedReceipt, anchor: Anchor) -> AnchorVerdict:
        def outcome(word: str, **more: Any) -> AnchorVerdict:
            return AnchorVerdict(
                chain=anchor.chain,
                outcome=word,
                block_time=_EPOCH + timedelta(milliseconds=anchor.block_time),
                transaction_hash=anchor.transaction_hash,
                registry=anchor.registry,
                publisher=anchor.publisher,
                **more,
            )

        if fold(receipt.batch_root, anchor.path) != anchor.root:
            return outcome(FAILED, reason="path", detail="the anchor's path does not lead to its root")
        named = self._registries.on(anchor.chain)
        if named and anchor.registry not in named:
            return outcome(
                FAILED, reason="registry", detail=f"{anchor.registry} is not a registry that you named"
            )
        publishers = self._publishers.on(anchor.chain)
        if not named and anchor.registry != PUBLISHED_REGISTRY:
            return outcome(
                FOREIGN, detail=f"{anchor.registry} is not the published registry, and you named none"
            )
        if publishers and anchor.publisher not in publishers:
            return outcome(
                FAILED, reason="publisher", detail=f"{anchor.publisher} is not a publisher that you named"
            )
        readings = self._readings(anchor)
        word = _combined(readings, self._require)
        final = word == CONFIRMED and _final(readings)
        return outcome(word, final=final, reason="chain" if word == DENIED else None, readings=readings)

    def _readings(self, anchor: Anchor) -> tuple[Reading, ...]:
        # Everything that the answers depend on, so that receipts of one anchor differ in their paths only.
        key = (
            anchor.chain_id, anchor.registry, anchor.publisher, anchor.root, anchor.transaction_hash,
            anchor.block_number, anchor.block_hash, anchor.block_time,
        )  # fmt: skip
        if key not in self._read:
            endpoints = self._by_chain.get(anchor.chain, self._everywhere)
            readings = tuple(self._ask(endpoint, anchor) for endpoint in endpoints)
            here = tuple(reading for reading in readings if not reading.elsewhere)
            self._read[key] = here or readings
        return self._read[key]

    def _ask(self, endpoint: RpcEndpoint, anchor: Anchor) -> Reading:
        """Asks an endpoint, unless it was down a moment ago: many anchors must not wait for it one by one."""
        known = self._down.get(id(endpoint))
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        reading = read_anchor(endpoint, anchor)
        if reading.down:
            self._down[id(endpoint)] = (time.monotonic() + _DOWN_SECONDS, reading)
        return reading


def verify_receipt(
    receipt: Document,
    rpc: Endpoints | Mapping[str, Endpoints],
    *,
    hash_: Hash | None = None,
    record: Any = ...,
    encoder: Encoder | None = None,
    registry: Addresses | None = None,
    publisher: Addresses | None = None,
    by: datetime | None = None,
    final: bool = False,
    require: int = 1,
    timeout: float = 10.0,
) -> Verdict:
    """Checks one receipt against its chains. Needs neither Holdfast nor its database. See Verifier."""
    verifier = Verifier(
        rpc, registry=registry, publisher=publisher, by=by, final=final, require=require, timeout=timeout
    )
    try:
        return verifier.verify(receipt, hash_=hash_, record=record, encoder=encoder)
    finally:
        verifier.close()


def verify_receipts(
    receipts: Iterable[Document],
    rpc: Endpoints | Mapping[str, Endpoints],
    *,
    registry: Addresses | None = None,
    publisher: Addresses | None = None,
    by: datetime | None = None,
    final: bool = False,
    require: int = 1,
    timeout: float = 10.0,
) -> Iterator[Verdict]:
    """Checks receipts one by one, in order. Reads each anchor once for all of them. See Verifier."""
    verifier = Verifier(
        rpc, registry=registry, publisher=publisher, by=by, final=final, require=require, timeout=timeout
    )
    try:
        for receipt in receipts:
            yield verifier.verify(receipt)
    finally:
        verifier.close()


def check_paths(receipt: Document) -> str | None:
    """Checks steps 1, 3, 4 and 5.1, without a chain. Returns what is wrong, or None."""
    try:
        checked = read_receipt(receipt)
    except FormError as error:
        return f"not a receipt: {error}"
    fault = _path_fault(checked)
    if fault is None and any(
        fold(checked.batch_root, anchor.path) != anchor.root for anchor in checked.anchors
    ):
        fault = "an anchor's path does not lead to its root"
    return fault


def _path_fault(receipt: CheckedReceipt) -> str | None:
    if leaf_of(receipt.hash) != receipt.leaf:
        return "the leaf is not the hash's"
    if fold(receipt.leaf, receipt.path) != receipt.batch_root:
        return "the path does not lead from the leaf to the batch root"
    if len(receipt.path) != path_length(receipt.leaf_index, receipt.leaf_count):
        return "the path has not the length that leafIndex and leafCount imply"
    return None


def _combined(readings: Sequence[Reading], require: int) -> str:
    outcomes = {reading.outcome for reading in readings}
    if sum(reading.outcome != UNREAD for reading in readings) < max(1, require):
        return UNREAD
    if {CONFIRMED, DENIED} <= outcomes:
        return DISAGREE
    return CONFIRMED if CONFIRMED in outcomes else DENIED


def _final(readings: Sequence[Reading]) -> bool:
    return all(reading.final for reading in readings if reading.outcome == CONFIRMED)


def _remarks(receipt: CheckedReceipt, anchors: Sequence[AnchorVerdict]) -> list[str]:
    remarks = [reading.remark for each in anchors for reading in each.readings if reading.remark]
    remarks += [f"{each.chain}: {each.detail}" for each in anchors if each.outcome == FOREIGN]
    if any(receipt.received_at > anchor.block_time + _CLOCK_TOLERANCE_MS for anchor in receipt.anchors):
        remarks.append("receivedAt is later than a block by more than 300 seconds: a clock was wrong")
    return remarks


def _endpoints(given: Endpoints, timeout: float) -> list[RpcEndpoint]:
    items = [given] if isinstance(given, str) or not isinstance(given, Sequence) else given
    return [HttpRpcEndpoint(item, timeout=timeout) if isinstance(item, str) else item for item in items]


def _addresses(given: Addresses | None) -> _Named:
    if isinstance(given, Mapping):
        return _Named(frozenset(), {_chain(chain): _address_set(part) for chain, part in given.items()})
    return _Named(_address_set(given or ()), {})


def _address_set(given: str | Sequence[str]) -> frozenset[str]:
    items = [given] if isinstance(given, str) else given
    for item in items:
        if not isinstance(item, str) or len(item) != 42 or not item.startswith("0x"):
            raise InvalidInputError(f"{item!r} is not an address.")
        try:
            bytes.fromhex(item[2:])
        except ValueError as error:
            raise InvalidInputError(f"{item!r} is not an address.") from error
    return frozenset(checksum_address(item) for item in items)


def _chain(chain: Any) -> str:
    text = str(chain)
    return text if text.startswith("eip155:") else f"eip155:{text}"
