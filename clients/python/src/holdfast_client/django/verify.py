"""Compares a row with what was anchored of it, and checks the receipt."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from ..hashing import hash_content
from ..verify import check_paths, verify_receipt
from . import outbox
from .conf import Settings, read_settings
from .models import Entry, HoldfastModel, Status

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the row no longer holds what was anchored. A value that is not there is None."""

    field: str
    anchored: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.field or 'the record'}: {self.anchored!r} was anchored, the row holds {self.now!r}"


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What a check of a row found.

    `word`, `reason`, `valid` and `final` are those of the receipt's Verdict; a row that differs is
    `contradicted` with reason `row`. `intact` is None for a row without an entry. `entry` is the newest one,
    compared here.
    """

    word: str
    reason: str | None
    valid: bool | None
    final: bool
    headline: str
    intact: bool | None = None
    differs: tuple[Difference, ...] = ()
    entry: Entry | None = None
    anchored_at: datetime | None = None
    remarks: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Returns the verdict as JSON values."""
        return {
            "verdict": self.word,
            "reason": self.reason,
            "valid": self.valid,
            "final": self.final,
            "intact": self.intact,
            "headline": self.headline,
            "differs": [{"field": d.field, "anchored": d.anchored, "now": d.now} for d in self.differs],
            "hash": self.entry.hash if self.entry else None,
            "anchoredAt": self.anchored_at.isoformat() if self.anchored_at else None,
            "receipt": self.entry.receipt if self.entry else None,
            "remarks": list(self.remarks),
        }


def verify_row(row: HoldfastModel) -> RowVerdict:
    """Reads a row from its database again and compares it with its newest entry; checks the entry's receipt.

    With settings.HOLDFAST["RPC_URLS"], the receipt is checked against the chain. Keeps the outcome in the
    entry.
    """
    using = row._state.db or "default"
    entry = outbox.entries_of(type(row), using).filter(object_id=outbox.object_key(row.pk)).first()
    if entry is None:
        return RowVerdict("unknown", "no_entry", None, False, "NOT DECIDED: nothing was recorded of this row")
    stored = type(row)._base_manager.using(using).get(pk=row.pk)
    octets = outbox.hashed_octets(stored)
    differs, added = _compare(entry, octets)
    verdict = replace(_receipt_verdict(entry), intact=not differs, entry=entry)
    if added:
        verdict = replace(verdict, remarks=(*verdict.remarks, f"not anchored with it: {', '.join(added)}"))
    if differs:
        headline = "NOT VALID: the row was changed: " + "; ".join(map(str, differs))
        verdict = replace(
            verdict, word="contradicted", reason="row", valid=False, headline=headline, differs=tuple(differs)
        )
    Entry.objects.using(using).filter(pk=entry.pk).update(checked_at=timezone.now(), intact=not differs)
    return verdict


def _compare(entry: Entry, octets: bytes) -> tuple[list[Difference], list[str]]:
    """Returns what differs, and which keys the record has had added since."""
    if hash_content(octets) == entry.hash:
        return [], []
    if not entry.record:
        return [Difference("", "(the record was not kept)", "(another hash)")], []
    if hash_content(entry.record.encode()) != entry.hash:
        return [Difference("", "(the entry's copy was changed too)", "(another hash)")], []
    try:
        anchored, now = json.loads(entry.record), json.loads(octets)
    except ValueError:
        return [Difference("", entry.record, octets.decode(errors="replace"))], []
    differs: list[Difference] = []
    added: list[str] = []
    _walk("", anchored, now, differs, added)
    if not differs and not added:
        differs.append(Difference("", entry.record, octets.decode(errors="replace")))
    return differs, added


def _walk(at: str, anchored: Any, now: Any, differs: list[Difference], added: list[str]) -> None:
    if isinstance(anchored, dict) and isinstance(now, dict):
        for key in sorted({*anchored, *now}):
            place = f"{at}.{key}" if at else key
            if key not in anchored:
                added.append(place)
            else:
                _walk(place, anchored[key], now.get(key, _ABSENT), differs, added)
    elif isinstance(anchored, list) and isinstance(now, list) and len(anchored) == len(now):
        for index, (one, other) in enumerate(zip(anchored, now, strict=True)):
            _walk(f"{at}[{index}]", one, other, differs, added)
    elif type(anchored) is not type(now) or anchored != now:
        differs.append(Difference(at, anchored, None if now is _ABSENT else now))


def _receipt_verdict(entry: Entry) -> RowVerdict:
    if entry.status == Status.PENDING:
        why = f": {entry.error}" if entry.error else ""
        return RowVerdict(
            "unknown", "not_pushed", None, False, f"NOT DECIDED: not pushed to Holdfast yet{why}"
        )
    if entry.receipt is None:
        by = f"; on a chain by {entry.anchor_by.isoformat()}" if entry.anchor_by else ""
        text = f"NOT DECIDED: accepted by Holdfast, not on a chain yet{by}"
        return RowVerdict("accepted", "not_anchored", None, False, text)
    current = read_settings()
    if current.rpc_urls:
        return _of_chain(entry, current)
    fault = "it is of another hash" if entry.receipt.get("hash") != entry.hash else check_paths(entry.receipt)
    if fault:
        return RowVerdict(
            "contradicted", "path", False, False, f"NOT VALID: the receipt does not fit: {fault}"
        )
    text = "the receipt fits the row; the chain was not read: set HOLDFAST['RPC_URLS']"
    return RowVerdict("anchored", "unread", None, entry.status == Status.FINAL, f"NOT DECIDED: {text}")


def _of_chain(entry: Entry, current: Settings) -> RowVerdict:
    verdict = verify_receipt(
        entry.receipt or {},
        list(current.rpc_urls),
        hash_=entry.hash,
        publisher=current.publisher,
        registry=current.registry,
    )
    return RowVerdict(
        verdict.word,
        verdict.reason,
        verdict.valid,
        verdict.final,
        verdict.headline,
        anchored_at=verdict.anchored_at,
        remarks=verdict.remarks,
    )
