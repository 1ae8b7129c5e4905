"""What one endpoint says of one anchor: confirmed, denied or unread; and whether its block is final."""

from __future__ import annotations

from dataclasses import dataclass

from . import answers
from .form import Anchor
from .rpc import EndpointDownError, RpcEndpoint

CONFIRMATIONS = 64
FIRST_CHAINS = 1_438_214_400
"""30 July 2015, in seconds: no chain of this kind is older."""

CONFIRMED, DENIED, UNREAD = "confirmed", "denied", "unread"


@dataclass(frozen=True, slots=True)
class Reading:
    """One endpoint's word on one anchor."""

    endpoint: str
    outcome: str
    detail: str
    final: bool = False
    remark: str | None = None
    elsewhere: bool = False
    """It serves another chain."""
    down: bool = False
    """It answered nothing at all."""


class _Denied(Exception):  # noqa: N818
    pass


class _Unread(Exception):  # noqa: N818
    pass


def read_anchor(endpoint: RpcEndpoint, anchor: Anchor) -> Reading:
    """Asks an endpoint about an anchor, in the order of the page. Never raises because of the endpoint."""
    try:
        return _read(endpoint, anchor)
    except _Denied as denial:
        return Reading(endpoint.name, DENIED, str(denial))
    except _Unread as unread:
        return Reading(endpoint.name, UNREAD, str(unread))
    except EndpointDownError as error:
        return Reading(endpoint.name, UNREAD, str(error), down=True)


def _read(endpoint: RpcEndpoint, anchor: Anchor) -> Reading:
    served = answers.chain_id(endpoint)
    if served is None:
        raise _Unread("it does not tell its chain")
    if served != anchor.chain_id:
        return Reading(endpoint.name, UNREAD, f"it serves eip155:{served}", elsewhere=True)
    transaction = answers.transaction(endpoint, anchor)
    block = answers.block(endpoint, anchor.block_number)
    stored_at = answers.stored_at(endpoint, anchor)
    newest = answers.block(endpoint, "latest")
    if newest is None:
        raise _Unread("it does not tell its newest block")
    if transaction is None and newest.number < anchor.block_number:
        raise _Unread(f"it lags: its newest block is {newest.number}, the anchor's {anchor.block_number}")
    _compare(anchor, transaction, block)
    detail = _decide(anchor, transaction is not None, block, stored_at)
    remark = None
    if stored_at and (stored_at < FIRST_CHAINS or stored_at > newest.time):
        remark = f"{endpoint.name}: the registry says it stored the root at {stored_at}, which is nonsense"
    final = _final(answers.finalized(endpoint), newest, anchor)
    return Reading(endpoint.name, CONFIRMED, detail, final, remark)


def _compare(anchor: Anchor, transaction: answers.Transaction | None, block: answers.Block | None) -> None:
    """Raises _Denied when what is there is otherwise than the anchor says."""
    number = anchor.block_number
    if transaction is not None:
        if transaction.status != 1:
            raise _Denied("the transaction failed")
        if (transaction.block_number, transaction.block_hash) != (number, anchor.block_hash):
            raise _Denied(f"the transaction is in another block, {transaction.block_number}")
        if not transaction.holds_event(anchor):
            raise _Denied("the transaction has no event of this registry, publisher and root")
    if block is not None:
        if block.hash != anchor.block_hash:
            raise _Denied(f"block {number} has another hash, {block.hash}")
        if block.time * 1000 != anchor.block_time:
            raise _Denied(f"block {number} has another time, {block.time}")


def _decide(anchor: Anchor, transaction: bool, block: answers.Block | None, stored_at: int) -> str:
    """Returns why the anchor is confirmed. Raises _Denied or _Unread, by the page's table of what is
    missing.
    """
    number = anchor.block_number
    if transaction:
        if block is not None:
            return f"the transaction's event and block {number} are there"
        if stored_at * 1000 == anchor.block_time:
            return "the transaction's event is there, and the registry stored the root in its block"
        raise _Unread(f"it has the transaction, but not block {number}")
    if block is None or block.transactions is None:
        raise _Unread(f"it has neither the transaction nor block {number} with its transactions")
    if anchor.transaction_hash not in block.transactions:
        raise _Denied(f"block {number} does not hold the transaction")
    if stored_at and stored_at * 1000 <= anchor.block_time:
        return f"block {number} holds the transaction, and the registry stored the root by then"
    raise _Unread("it forgot the transaction, and the registry stored no root by then")


def _final(finalized: answers.Finalized, newest: answers.Block, anchor: Anchor) -> bool:
    if finalized == "not told":
        return False
    # A node that does not know answers genesis. On a chain that has just begun, nothing is final either.
    if finalized is not None and finalized.number > 0:
        return finalized.number >= anchor.block_number
    return newest.number >= anchor.block_number + CONFIRMATIONS
