"""Compares a row with what was anchored of it, and checks the receipt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from ..errors import InvalidInputError
from ..hashing import hash_content
from ..verify import Verdict, Verifier, check_paths
from . import outbox
from .conf import read_settings
from .models import Entry, HoldfastModel, Status

M = TypeVar("M", bound=HoldfastModel)

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

    With settings.HOLDFAST["RPC_URLS"], the receipt is checked against the chain. The entry keeps the outcome.
    """
    ((_, verdict),) = verify_rows([row])
    return verdict


def verify_rows(rows: Iterable[M]) -> Iterator[tuple[M, RowVerdict]]:
    """Checks rows one by one, as verify_row does. Reads each anchor from the chain once for all of them."""
    current = read_settings()
    verifier = Verifier(
        list(current.rpc_urls),
        publisher=current.publisher,
        registry=current.registry,
        timeout=current.timeout,
    )
    try:
        for row in rows:
            yield row, _verify(row, verifier if current.rpc_urls else None)
    finally:
        verifier.close()


def _verify(row: HoldfastModel, verifier: Verifier | None) -> RowVerdict:
    using = row._state.db or "default"
    entry = outbox.entries_of(type(row), using).filter(object_id=outbox.object_key(row.pk)).first()
    if entry is None:
        return RowVerdict("unknown", "no_entry", None, False, "NOT DECIDED: nothing was recorded of this row")
    differs, added = compare_row(row, entry)
    verdict = replace(_receipt_verdict(entry, verifier), intact=not differs, entry=entry)
    if added:
        verdict = replace(verdict, remarks=(*verdict.remarks, f"not anchored with it: {', '.join(added)}"))
    if differs:
        headline = "NOT VALID: the row was changed: " + "; ".join(map(str, differs))
        verdict = replace(
            verdict, word="contradicted", reason="row", valid=False, headline=headline, differs=tuple(differs)
        )
    Entry.objects.using(using).filter(pk=entry.pk).update(checked_at=timezone.now(), intact=not differs)
    return verdict


def compare_row(row: HoldfastModel, entry: Entry) -> tuple[list[Difference], list[str]]:
    """Reads a row from its database again. Returns where it differs from an entry, and keys added since."""
    stored = type(row)._base_manager.using(row._state.db or "default").get(pk=row.pk)
    octets = outbox.hashed_octets(stored)
    if hash_content(octets) == entry.hash:
        return [], []
    if not entry.record:
        return [Difference("", "(the record was not kept)", "(another hash)")], []
    if hash_content(entry.record.encode()) != entry.hash:
        return [Difference("", "(the entry's copy was changed too)", "(another hash)")], []
    return compare_records(entry.record, octets.decode(errors="replace"))


def compare_records(before: str, after: str) -> tuple[list[Difference], list[str]]:
    """Returns where one record differs from the other, and the keys that only the second has."""
    try:
        one, other = json.loads(before), json.loads(after)
    except ValueError:
        return [Difference("", before, after)], []
    differs: list[Difference] = []
    added: list[str] = []
    _walk("", one, other, differs, added)
    if not differs and not added and before != after:
        differs.append(Difference("", before, after))
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


def _receipt_verdict(entry: Entry, verifier: Verifier | None) -> RowVerdict:
    if entry.status == Status.PENDING:
        why = f": {entry.error}" if entry.error else ""
        return RowVerdict(
            "unknown", "not_pushed", None, False, f"NOT DECIDED: not pushed to Holdfast yet{why}"
        )
    if entry.receipt is None:
        by = f"; on a chain by {entry.anchor_by.isoformat()}" if entry.anchor_by else ""
        text = f"NOT DECIDED: accepted by Holdfast, not on a chain yet{by}"
        return RowVerdict("accepted", "not_anchored", None, False, text)
    if verifier is not None:
        try:
            return _of_chain(verifier.verify(entry.receipt, hash_=entry.hash))
        except InvalidInputError as error:
            return RowVerdict(
                "contradicted", "subject", False, False, f"NOT VALID: the entry's hash: {error}"
            )
    fault = "it is of another hash" if entry.receipt.get("hash") != entry.hash else check_paths(entry.receipt)
    if fault:
        return RowVerdict(
            "contradicted", "path", False, False, f"NOT VALID: the receipt does not fit: {fault}"
        )
    text = "the receipt fits the row; the chain was not read: set HOLDFAST['RPC_URLS']"
    return RowVerdict("anchored", "unread", None, entry.status == Status.FINAL, f"NOT DECIDED: {text}")


def _of_chain(verdict: Verdict) -> RowVerdict:
    return RowVerdict(
        verdict.word,
        verdict.reason,
        verdict.valid,
        verdict.final,
        verdict.headline,
        anchored_at=verdict.anchored_at,
        remarks=verdict.remarks,
    )
