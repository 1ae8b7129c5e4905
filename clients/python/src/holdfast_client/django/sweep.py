"""The sweep: pushes entries that wait, then fetches receipts. Any number may run at once.

A sweep claims entries before it talks to Holdfast, and holds no transaction meanwhile. One that dies leaves
claims that end by themselves; its entries are pushed again then, which adds a leaf and does no harm.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.db.models import Q, QuerySet
from django.utils import timezone

from ..client import Holdfast
from ..errors import HoldfastError
from ..exchange.records import Found
from ..verify import check_paths
from .conf import get_client, read_settings
from .models import Entry, Status
from .signals import receipt_stored

logger = logging.getLogger("holdfast_client.django")

ENTRIES_PER_REQUEST = 500
CLAIM_MARGIN = timedelta(seconds=60)
SHORTEST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=10)
FORGOTTEN_AFTER = timedelta(minutes=15)


@dataclass(slots=True)
class Report:
    """What one sweep did. `error` is why it stopped early; nothing is lost then."""

    pushed: int = 0
    receipts: int = 0
    pushed_again: int = 0
    error: HoldfastError | None = None

    def __str__(self) -> str:
        text = f"{self.pushed} pushed, {self.receipts} receipts"
        if self.pushed_again:
            text += f", {self.pushed_again} unknown to Holdfast, to push again"
        return f"{text}; stopped: {self.error}" if self.error else text


def sweep(using: str = "default", *, client: Holdfast | None = None) -> Report:
    """Pushes all that waits and asks for all receipts that are due. Never raises because Holdfast is away."""
    report = Report()
    try:
        holdfast = client or get_client()
        _in_claims(using, Q(status=Status.PENDING), "id", lambda claim: _push(claim, holdfast, report))
        due = Q(status__in=[Status.ACCEPTED, Status.ANCHORED], next_look_at__lte=timezone.now())
        _in_claims(using, due, "next_look_at", lambda claim: _fetch(claim, holdfast, report))
    except HoldfastError as error:
        report.error = error
        logger.warning("Holdfast sweep stopped: %s", error)
    return report


@dataclass(frozen=True, slots=True)
class _Claim:
    """Entries that only this sweep touches until the claim ends. `rows` are those still held."""

    entries: list[Entry]
    rows: QuerySet[Entry]


def _in_claims(using: str, which: Q, order: str, work: Callable[[_Claim], None]) -> None:
    """Claims entries, works on them, gives them up; until there are none, or the work raises."""
    entries = Entry.objects.using(using)
    while True:
        now = timezone.now()
        free = which & (Q(claimed_until=None) | Q(claimed_until__lt=now))
        ids = list(entries.filter(free).order_by(order).values_list("id", flat=True)[:ENTRIES_PER_REQUEST])
        if not ids:
            return
        token = uuid.uuid4()
        until = now + timedelta(seconds=read_settings().timeout) + CLAIM_MARGIN
        entries.filter(free, id__in=ids).update(claimed_by=token, claimed_until=until)
        rows = entries.filter(claimed_by=token)
        try:
            claimed = list(rows.order_by("id"))
            if claimed:
                work(_Claim(claimed, rows))
        finally:
            rows.update(claimed_by=None, claimed_until=None)


def _push(claim: _Claim, holdfast: Holdfast, report: Report) -> None:
    try:
        pushed = holdfast.push([entry.hash for entry in claim.entries])
    except HoldfastError as error:
        claim.rows.update(error=str(error))
        raise
    claim.rows.update(
        status=Status.ACCEPTED,
        pushed_at=pushed.received_at,
        anchor_by=pushed.anchor_by,
        next_look_at=timezone.now() + SHORTEST_WAIT,
        error="",
    )
    report.pushed += len(claim.entries)


def _fetch(claim: _Claim, holdfast: Holdfast, report: Report) -> None:
    now = timezone.now()
    stored = []
    looked_up = holdfast.receipts([entry.hash for entry in claim.entries])
    for entry, found in zip(claim.entries, looked_up, strict=True):
        before = (entry.status, entry.receipt)
        _apply(entry, found, now, report)
        if entry.receipt is not None and (entry.status, entry.receipt) != before:
            stored.append(entry)
    claim.rows.bulk_update(claim.entries, ["status", "receipt", "next_look_at", "error"], batch_size=100)
    report.receipts += len(stored)
    for entry in stored:
        _tell(entry)


def _apply(entry: Entry, found: Found, now: datetime, report: Report) -> None:
    age = now - (entry.pushed_at or now)
    entry.next_look_at = now + min(max(age / 4, SHORTEST_WAIT), LONGEST_WAIT)
    if found.receipt is not None:
        fault = check_paths(found.receipt)
        if fault:
            entry.error = f"Holdfast gave a receipt that does not fit: {fault}"
            return
        entry.error = ""
        entry.receipt = found.receipt
        entry.status = Status.FINAL if found.status == "finalized" else Status.ANCHORED
    elif found.status == "unknown" and age > FORGOTTEN_AFTER:
        # Holdfast lost it, for instance to an old backup. The row is still here, so push it again.
        entry.status, entry.receipt = Status.PENDING, None
        report.pushed_again += 1
    else:
        # Also after a reorganisation of the chain: the receipt comes again with the new block.
        entry.status, entry.receipt = Status.ACCEPTED, None


def _tell(entry: Entry) -> None:
    try:
        sender = apps.get_model(entry.model)
    except LookupError:
        return
    for receiver, outcome in receipt_stored.send_robust(sender=sender, entry=entry):
        if isinstance(outcome, Exception):
            logger.error("A receiver of receipt_stored failed: %r", receiver, exc_info=outcome)


def status_counts(using: str) -> dict[str, int]:
    """Returns how many entries there are of each status."""
    return {value: Entry.objects.using(using).filter(status=value).count() for value in Status.values}
