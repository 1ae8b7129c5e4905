"""What endpoints answer, read tolerantly. What lacks a needed value, or holds one of another type, is
missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..hashing import keccak256
from .form import Anchor
from .rpc import EndpointDownError, RpcEndpoint, RpcError

EVENT_TOPIC = "0x" + keccak256(b"Anchored(address,bytes32)").hex()
ANCHORED_AT = "0x" + keccak256(b"anchoredAt(address,bytes32)").hex()[:8]

_HEX_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction's receipt. `logs` are of any form."""

    status: int
    block_number: int
    block_hash: str
    logs: list[Any]

    def holds_event(self, anchor: Anchor) -> bool:
        """Tells whether the registry reported this root as this publisher's."""
        wanted = [EVENT_TOPIC, "0x" + "0" * 24 + anchor.publisher[2:].lower(), "0x" + anchor.root.hex()]
        for log in self.logs:
            if not isinstance(log, Mapping) or log.get("removed") not in (None, False):
                continue
            topics = log.get("topics")
            if hex_text(log.get("address")) != anchor.registry.lower() or not isinstance(topics, list):
                continue
            if [hex_text(topic) for topic in topics] == wanted:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Block:
    """A block. `transactions` is None where the answer lists none."""

    number: int
    hash: str
    time: int
    transactions: frozenset[str] | None


Finalized = Block | None | Literal["not told"]


def chain_id(endpoint: RpcEndpoint) -> int | None:
    return quantity(_ask(endpoint, "eth_chainId", []))


def transaction(endpoint: RpcEndpoint, anchor: Anchor) -> Transaction | None:
    found = _ask(endpoint, "eth_getTransactionReceipt", [anchor.transaction_hash])
    if not isinstance(found, Mapping) or hex_text(found.get("transactionHash")) != anchor.transaction_hash:
        return None
    status, number = quantity(found.get("status")), quantity(found.get("blockNumber"))
    block_hash, logs = hex_text(found.get("blockHash")), found.get("logs")
    if status is None or number is None or block_hash is None or not isinstance(logs, list):
        return None
    return Transaction(status, number, block_hash, logs)


def block(endpoint: RpcEndpoint, which: int | str) -> Block | None:
    """Asks for a block by number, or by tag. An answer about another number is missing."""
    name = hex(which) if isinstance(which, int) else which
    return _block_of(_ask(endpoint, "eth_getBlockByNumber", [name, False]), which)


def _block_of(found: Any, which: int | str) -> Block | None:
    if not isinstance(found, Mapping):
        return None
    number, time = quantity(found.get("number")), quantity(found.get("timestamp"))
    hash_, listed = hex_text(found.get("hash")), found.get("transactions")
    if number is None or time is None or hash_ is None or (isinstance(which, int) and number != which):
        return None
    hashes = None if not isinstance(listed, list) else frozenset(filter(None, map(_transaction_hash, listed)))
    return Block(number, hash_, time, hashes)


def finalized(endpoint: RpcEndpoint) -> Finalized:
    """The block tagged `finalized`; None where the chain cannot tell, "not told" where it was only busy."""
    try:
        return _block_of(endpoint.call("eth_getBlockByNumber", ["finalized", False]), "finalized")
    except EndpointDownError:
        raise
    except RpcError as error:
        return "not told" if error.temporary else None


def stored_at(endpoint: RpcEndpoint, anchor: Anchor) -> int:
    """Returns anchoredAt in seconds; 0 where the registry stored nothing, or does not answer."""
    data = f"{ANCHORED_AT}{'0' * 24}{anchor.publisher[2:].lower()}{anchor.root.hex()}"
    found = hex_text(_ask(endpoint, "eth_call", [{"to": anchor.registry, "data": data}, "latest"]))
    return int(found, 16) if found is not None and len(found) == 66 else 0


def _ask(endpoint: RpcEndpoint, method: str, params: list[Any]) -> Any:
    try:
        return endpoint.call(method, params)
    except EndpointDownError:
        raise
    except RpcError:
        return None


def _transaction_hash(item: Any) -> str | None:
    return hex_text(item.get("hash")) if isinstance(item, Mapping) else hex_text(item)


def hex_text(value: Any) -> str | None:
    """Returns hex in lower case; None for what is no hex."""
    if not isinstance(value, str):
        return None
    lower = value.lower()
    return lower if lower.startswith("0x") and not set(lower[2:]) - _HEX_DIGITS else None


def quantity(value: Any) -> int | None:
    """Returns a number, given in hex, in decimal digits, or as a JSON integer; None for what is none."""
    if type(value) is int:
        return value if value >= 0 else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78:
        return int(value)
    found = hex_text(value)
    return int(found, 16) if found is not None and len(found) > 2 else None
