"""The calls on /v1/records and /v1/receipts as steps: what is sent, and which answers are believed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, TypeAlias

from ..errors import HoldfastError, InvalidInputError, NotYetError, UnavailableError
from ..hashing import Hash, hash_bytes, hash_text, numbered_hashes
from .steps import Answer, Pause, Request, Steps, exchange, json_object, refusal, unexpected

HASHES_PER_PUSH = 16_384
"""512 KiB a request: below the body limits of Holdfast (32 MiB) and of common proxies (1 MiB)."""

HASHES_PER_RECEIPTS = 1_000

Receipt: TypeAlias = dict[str, Any]
"""A `holdfast-receipt/1` document, as docs/receipt-format.md says; ready for json.dumps."""

_RANKS = {
    "unknown": 0,
    "received": 1,
    "accepted": 1,
    "sealed": 2,
    "anchoring": 3,
    "anchored": 4,
    "finalized": 5,
}


@dataclass(frozen=True, slots=True)
class Pushed:
    """Hashes that Holdfast has committed to its database.

    `anchor_by` is when they are on a chain at the latest. With several requests, both times are the last
    one's.
    """

    hashes: tuple[str, ...]
    received_at: datetime
    anchor_by: datetime | None

    @property
    def hash(self) -> str:
        """The hash, when there is exactly one."""
        (only,) = self.hashes
        return only


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """Where a record stands: `unknown`, `accepted`, `sealed`, `anchoring`, `anchored` or `finalized`.

    Holdfast does not know a hash of status `unknown`. `reason` says why a record is not anchored yet.
    `anchors` are as in the API.
    """

    hash: str
    status: str
    received_at: datetime | None = None
    source: str | None = None
    batch_id: str | None = None
    leaf_index: int | None = None
    anchors: tuple[dict[str, Any], ...] = ()
    anchor_by: datetime | None = None
    reason: str | None = None

    def reached(self, status: str) -> bool:
        """Tells whether the record is at this status or past it."""
        return _RANKS[self.status] >= _RANKS[status]


@dataclass(frozen=True, slots=True)
class Found:
    """One hash's answer in a look-up of many: its receipt, or the status that it has without one."""

    hash: str
    status: str
    receipt: Receipt | None = field(default=None, repr=False)


def slices(hashes: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    rest = iter(hashes)
    while chunk := list(islice(rest, size)):
        yield chunk


def push_hashes(hashes: Sequence[bytes], deadline: float) -> Steps[Pushed]:
    """Stores hashes in one request. Returns only when Holdfast said that exactly these are stored."""
    request = Request("POST", "/v1/records", deadline, b"".join(hashes), "application/octet-stream")
    answer = yield from exchange(request)
    if answer.status != 202:
        raise refusal(answer, request)
    body = json_object(answer, request)
    count = len(hashes)
    if type(body.get("accepted")) is not int or body["accepted"] != count:
        raise unexpected(request, f"accepted {body.get('accepted')!r} for {count} hashes")
    if count == 1 and body.get("hash", hash_text(hashes[0])) != hash_text(hashes[0]):
        raise unexpected(request, f"another hash, {body['hash']!r}")
    received_at = _time(body.get("receivedAt"), request)
    anchor_by = _time_or_none(body.get("anchorBy"), request)
    return Pushed(tuple(map(hash_text, hashes)), received_at, anchor_by)


def push_all(values: Hash | Iterable[Hash], deadline: float) -> Steps[Pushed]:
    """Stores one hash or many, in slices, once all of them are known to be hashes."""
    if isinstance(values, str | bytes | bytearray | memoryview):
        hashes = [hash_bytes(values)]
    else:
        hashes = list(numbered_hashes(values))
    if not hashes:
        raise InvalidInputError("No hash was given.")
    stored = 0
    try:
        for chunk in slices(hashes, HASHES_PER_PUSH):
            pushed = yield from push_hashes(chunk, deadline)
            stored += len(chunk)
    except HoldfastError as error:
        error.stored = stored
        raise
    return Pushed(tuple(map(hash_text, hashes)), pushed.received_at, pushed.anchor_by)


def record_status(hash_: str, deadline: float) -> Steps[RecordStatus]:
    request = Request("GET", f"/v1/records/{hash_}", deadline)
    answer = yield from exchange(request)
    if answer.status == 404 and _is_unknown_record(answer, request):
        return RecordStatus(hash_, "unknown")
    if answer.status not in (200, 202):
        raise refusal(answer, request)
    body = json_object(answer, request)
    status = _status_of(body, hash_, request)
    batch, anchors = body.get("batch"), body.get("anchors")
    return RecordStatus(
        hash=hash_,
        status=status,
        received_at=_time_or_none(body.get("receivedAt"), request),
        source=body.get("source"),
        batch_id=batch.get("id") if isinstance(batch, dict) else None,
        leaf_index=batch.get("leafIndex") if isinstance(batch, dict) else None,
        anchors=tuple(anchors) if isinstance(anchors, list) else (),
        anchor_by=_time_or_none(body.get("anchorBy"), request),
        reason=body.get("reason"),
    )


def one_receipt(hash_: str, deadline: float) -> Steps[Receipt | None]:
    """Returns the receipt; None while there is none, or the hash is unknown."""
    request = Request("GET", f"/v1/records/{hash_}/receipt", deadline)
    answer = yield from exchange(request)
    if answer.status == 404 and _is_unknown_record(answer, request):
        return None
    if answer.status not in (200, 202):
        raise refusal(answer, request)
    body = json_object(answer, request)
    if answer.status == 202:
        _status_of(body, hash_, request)
        return None
    return _receipt_of(body, hash_, request)


def many_receipts(hashes: Sequence[str], deadline: float) -> Steps[list[Found]]:
    """Looks up to HASHES_PER_RECEIPTS hashes up in one request. Returns one Found for each, in order."""
    text = json.dumps({"hashes": list(hashes)}).encode()
    request = Request("POST", "/v1/receipts", deadline, text, "application/json")
    answer = yield from exchange(request)
    if answer.status != 200:
        raise refusal(answer, request)
    lines = answer.body.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if len(lines) != len(hashes):
        raise unexpected(request, f"{len(lines)} lines for {len(hashes)} hashes")
    return [_line(line, hash_, request) for line, hash_ in zip(lines, hashes, strict=True)]


def wait_for_receipt(hash_: str, status: str, deadline: float) -> Steps[Receipt]:
    """Asks until a record is `anchored` or `finalized`, then for its receipt. Raises NotYetError at the
    deadline.
    """
    if status not in ("anchored", "finalized"):
        raise InvalidInputError(
            f"A receipt cannot be waited for until {status!r}: give anchored or finalized."
        )
    pause = 0.25
    record: RecordStatus | None = None
    while True:
        try:
            record = yield from record_status(hash_, deadline)
        except UnavailableError as error:
            if record is None:
                raise
            raise _not_yet(record, status) from error
        if record.reached(status):
            receipt = yield from one_receipt(hash_, deadline)
            if receipt is not None:
                return receipt
        if deadline - time.monotonic() <= pause:
            raise _not_yet(record, status)
        yield Pause(pause)
        pause = min(pause * 1.5, 3.0)


def _not_yet(record: RecordStatus, wanted: str) -> NotYetError:
    text = f"{record.hash} is {record.status}, not {wanted} yet"
    if record.status == "unknown":
        text += "; was it pushed to this Holdfast?"
    if record.reason:
        text += f"; reason: {record.reason}"
    if record.anchor_by:
        text += f"; it is anchored by {record.anchor_by.isoformat()}"
    return NotYetError(text, status=record.status, anchor_by=record.anchor_by, reason=record.reason)


def _line(line: bytes, hash_: str, request: Request) -> Found:
    body = json_object(Answer(200, {}, line), request)
    if "format" in body:
        receipt = _receipt_of(body, hash_, request)
        final = all(anchor.get("status") == "finalized" for anchor in receipt["anchors"])
        return Found(hash_, "finalized" if final else "anchored", receipt)
    return Found(hash_, _status_of(body, hash_, request))


def _receipt_of(body: dict[str, Any], hash_: str, request: Request) -> Receipt:
    if body.get("hash") != hash_:
        raise unexpected(request, f"the receipt of another hash, {body.get('hash')!r}, not {hash_}")
    anchors = body.get("anchors")
    if not isinstance(body.get("format"), str) or not isinstance(anchors, list) or not anchors:
        raise unexpected(request, "a document that is not a receipt")
    if not all(isinstance(anchor, dict) for anchor in anchors):
        raise unexpected(request, "a document that is not a receipt")
    return body


def _status_of(body: dict[str, Any], hash_: str, request: Request) -> str:
    if body.get("hash") != hash_:
        raise unexpected(request, f"the status of another hash, {body.get('hash')!r}, not {hash_}")
    status = body.get("status")
    if not isinstance(status, str) or status not in _RANKS:
        raise unexpected(request, f"the status {status!r}, which this client does not know")
    return "accepted" if status == "received" else status


def _is_unknown_record(answer: Answer, request: Request) -> bool:
    return json_object(answer, request).get("code") == "UNKNOWN_RECORD"


def _time_or_none(value: Any, request: Request) -> datetime | None:
    return None if value is None else _time(value, request)


def _time(value: Any, request: Request) -> datetime:
    try:
        when = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        when = None
    if when is None or when.tzinfo is None:
        raise unexpected(request, f"{value!r} where a time belongs")
    return when
