"""What one endpoint says of one anchor: confirmed, denied or unread; and whether its block is final."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..hashing import keccak256
from .form import Anchor
from .rpc import EndpointDownError, RpcEndpoint, RpcError

EVENT_TOPIC = "0x" + keccak256(b"Anchored(address,bytes32)").hex()
ANCHORED_AT = "0x" + keccak256(b"anchoredAt(address,bytes32)").hex()[:8]
CONFIRMATIONS = 64
FIRST_CHAINS = 1_438_214_400
"""30 July 2015, in seconds: no chain of this kind is older."""

CONFIRMED, DENIED, UNREAD = "confirmed", "denied", "unread"


@dataclass(frozen=True, slots=True)
class Reading:
    """One endpoint's word on one anchor. `final` is None where the endpoint cannot tell."""

    endpoint: str
    outcome: str
    detail: str
    final: bool | None = None
    remark: str | None = None
    elsewhere: bool = False
    """It serves another chain."""
    down: bool = False
    """It answered nothing at all."""


class _Denied(Exception):  # noqa: N818
    pass


class _NotAnswered(Exception):  # noqa: N818
    pass


class _Elsewhere(Exception):  # noqa: N818
    pass


def read_anchor(endpoint: RpcEndpoint, anchor: Anchor) -> Reading:
    """Asks an endpoint about an anchor, in the order of the page. Never raises because of the endpoint."""
    try:
        return _read(endpoint, anchor)
    except _Denied as denial:
        return Reading(endpoint.name, DENIED, str(denial))
    except _Elsewhere as elsewhere:
        return Reading(endpoint.name, UNREAD, str(elsewhere), elsewhere=True)
    except EndpointDownError as error:
        return Reading(endpoint.name, UNREAD, str(error), down=True)
    except _NotAnswered as error:
        return Reading(endpoint.name, UNREAD, str(error))


def _read(endpoint: RpcEndpoint, anchor: Anchor) -> Reading:
    served = quantity(_ask(endpoint, "eth_chainId", []))
    if served != anchor.chain_id:
        if served is None:
            raise _NotAnswered("it does not tell its chain")
        raise _Elsewhere(f"it serves eip155:{served}")
    transaction = _transaction(endpoint, anchor)
    block = _block(endpoint, anchor)
    stored_at = _stored_at(endpoint, anchor)
    newest = _ask(endpoint, "eth_getBlockByNumber", ["latest", False])
    newest_number = quantity(newest.get("number")) if isinstance(newest, Mapping) else None
    newest_time = quantity(newest.get("timestamp")) if isinstance(newest, Mapping) else None
    detail = _decide(anchor, transaction, block, stored_at, newest_number)
    remark = None
    if stored_at and (stored_at < FIRST_CHAINS or (newest_time is not None and stored_at > newest_time)):
        remark = (
            f"{endpoint.name}: the registry says that it stored the root at {stored_at}, which is nonsense"
        )
    return Reading(endpoint.name, CONFIRMED, detail, _final(endpoint, anchor, newest_number), remark)


def _decide(
    anchor: Anchor, transaction: bool, block: Mapping[str, Any] | None, stored_at: int, newest: int | None
) -> str:
    """Returns why the anchor is confirmed. Raises _Denied or _NotAnswered, by the table of the page."""
    number = anchor.block_number
    if transaction:
        if block is not None:
            return f"the transaction's event and block {number} are there"
        if stored_at * 1000 == anchor.block_time:
            return "the transaction's event is there, and the registry stored the root in its block"
        raise _NotAnswered(f"it has the transaction, but not block {number}")
    if newest is not None and newest < number:
        raise _NotAnswered(f"it lags: its newest block is {newest}, the anchor's {number}")
    listed = block.get("transactions") if block is not None else None
    if not isinstance(listed, list):
        raise _NotAnswered(f"it has neither the transaction nor block {number} with its transactions")
    if anchor.transaction_hash not in map(_transaction_hash, listed):
        raise _Denied(f"block {number} does not hold the transaction")
    if stored_at and stored_at * 1000 <= anchor.block_time:
        return f"block {number} holds the transaction, and the registry stored the root by then"
    raise _NotAnswered("it forgot the transaction, and the registry stored no root by then")


def _transaction(endpoint: RpcEndpoint, anchor: Anchor) -> bool:
    """Tells whether the transaction is there. Raises _Denied when it says otherwise than the anchor.

    An answer about another transaction counts as missing, as an answer about another block does.
    """
    found = _ask(endpoint, "eth_getTransactionReceipt", [anchor.transaction_hash])
    if not isinstance(found, Mapping) or text(found.get("blockHash")) is None:
        return False
    if text(found.get("transactionHash")) != anchor.transaction_hash:
        return False
    if quantity(found.get("status")) != 1:
        raise _Denied("the transaction failed")
    if (
        quantity(found.get("blockNumber")) != anchor.block_number
        or text(found["blockHash"]) != anchor.block_hash
    ):
        raise _Denied(f"the transaction is in another block, {found.get('blockNumber')}")
    logs = found.get("logs")
    if not any(_is_event(log, anchor) for log in (logs if isinstance(logs, list) else [])):
        raise _Denied("the transaction has no event of this registry, publisher and root")
    return True


def _is_event(log: Any, anchor: Anchor) -> bool:
    if not isinstance(log, Mapping) or log.get("removed") is True or not isinstance(log.get("topics"), list):
        return False
    wanted = [EVENT_TOPIC, "0x" + "0" * 24 + anchor.publisher[2:].lower(), "0x" + anchor.root.hex()]
    return text(log.get("address")) == anchor.registry.lower() and list(map(text, log["topics"])) == wanted


def _block(endpoint: RpcEndpoint, anchor: Anchor) -> Mapping[str, Any] | None:
    """Returns the block, if it is there. Raises _Denied when it is not the anchor's."""
    found = _ask(endpoint, "eth_getBlockByNumber", [hex(anchor.block_number), False])
    if not isinstance(found, Mapping) or quantity(found.get("number")) != anchor.block_number:
        return None
    if text(found.get("hash")) != anchor.block_hash:
        raise _Denied(f"block {anchor.block_number} has another hash, {found.get('hash')}")
    seconds = quantity(found.get("timestamp"))
    if seconds is None or seconds * 1000 != anchor.block_time:
        raise _Denied(f"block {anchor.block_number} has another time, {found.get('timestamp')}")
    return found


def _stored_at(endpoint: RpcEndpoint, anchor: Anchor) -> int:
    """Returns anchoredAt in seconds, or 0."""
    data = f"{ANCHORED_AT}{'0' * 24}{anchor.publisher[2:].lower()}{anchor.root.hex()}"
    found = text(_ask(endpoint, "eth_call", [{"to": anchor.registry, "data": data}, "latest"]))
    return (quantity(found) or 0) if found is not None and len(found) == 66 else 0


def _final(endpoint: RpcEndpoint, anchor: Anchor, newest: int | None) -> bool | None:
    found = _ask(endpoint, "eth_getBlockByNumber", ["finalized", False])
    number = quantity(found.get("number")) if isinstance(found, Mapping) else None
    if number is not None:
        return number >= anchor.block_number
    if newest is not None and newest >= anchor.block_number + CONFIRMATIONS:
        return True
    return None


def _ask(endpoint: RpcEndpoint, method: str, params: list[Any]) -> Any:
    """Returns a call's result; None for an error, which counts like null."""
    try:
        return endpoint.call(method, params)
    except EndpointDownError:
        raise
    except RpcError:
        return None


def _transaction_hash(item: Any) -> str | None:
    return text(item.get("hash")) if isinstance(item, Mapping) else text(item)


def text(value: Any) -> str | None:
    """Returns hex in lower case; None for what is no hex."""
    if not isinstance(value, str):
        return None
    lower = value.lower()
    return lower if lower.startswith("0x") and not set(lower[2:]) - set("0123456789abcdef") else None


def quantity(value: Any) -> int | None:
    """Returns a number given in hex; None for what is none."""
    found = text(value)
    return int(found, 16) if found is not None and len(found) > 2 else None
