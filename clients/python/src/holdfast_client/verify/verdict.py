"""The verdict on a receipt: five words, a reason, and what each endpoint said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .chain import CONFIRMED, DENIED, UNREAD, Reading

DISAGREE = "disagree"
FAILED = "failed"
FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class AnchorVerdict:
    """One anchor's outcome.

    `outcome` is `confirmed`, `denied`, `unread`, `disagree`, `failed` (it does not fit the receipt or what
    you named, see `reason`) or `foreign` (of a registry that counts for nothing).
    """

    chain: str
    outcome: str
    block_time: datetime
    transaction_hash: str
    registry: str
    publisher: str
    final: bool = False
    reason: str | None = None
    detail: str = ""
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. `valid` is None when it is not decided.

    `word` is `unknown`, `anchored` or `contradicted`; for a hash without a receipt, `accepted` and `sealed`
    too. `final` says that a confirmed anchor's block is final: one by the time asked for, if there is one.
    `headline` names what was not looked at; `remarks` are what decides nothing.
    """

    word: str
    reason: str | None
    valid: bool | None
    final: bool
    headline: str
    hash: str | None = None
    anchors: tuple[AnchorVerdict, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 valid, 1 not valid, 2 not decided."""
        return {True: 0, False: 1, None: 2}[self.valid]

    @property
    def anchored_at(self) -> datetime | None:
        """The earliest confirmed anchor's block time: the record existed by then. None if no anchor is
        confirmed.
        """
        times = [anchor.block_time for anchor in self.anchors if anchor.outcome == CONFIRMED]
        return min(times, default=None) if self.word == "anchored" else None

    def lines(self) -> list[str]:
        """Returns the verdict as text, headline first."""
        lines = [self.headline]
        for anchor in self.anchors:
            about = f": {anchor.detail}" if anchor.detail else ""
            final = ", final" if anchor.final else ""
            when = time_text(anchor.block_time)
            lines.append(f"  {anchor.chain}, block time {when}: {anchor.outcome}{final}{about}")
            lines += [
                f"    {reading.endpoint}: {reading.outcome}: {reading.detail}" for reading in anchor.readings
            ]
        return lines + [f"  note: {remark}" for remark in self.remarks]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the auditor asks for beyond an anchor: a block by a time, a final block."""

    by: datetime | None = None
    final: bool = False


def contradicted(reason: str, detail: str, hash_: str | None = None) -> Verdict:
    """Returns the verdict of a check that failed before any chain was asked."""
    return Verdict("contradicted", reason, False, False, f"NOT VALID: {detail}", hash_)


def conclude(
    hash_: str,
    anchors: Sequence[AnchorVerdict],
    wanted: Wanted,
    *,
    caveats: Sequence[str],
    remarks: Sequence[str],
) -> Verdict:
    """Returns the first verdict of the page's table that applies. Caveats join the headline of a valid
    one.
    """
    word, reason, valid, headline = _decide(hash_, anchors, wanted)
    if valid:
        headline = "; ".join([headline, *caveats, *_asked(anchors)])
    confirmed = [anchor for anchor in anchors if anchor.outcome == CONFIRMED]
    counted = [
        anchor for anchor in confirmed if wanted.by is None or anchor.block_time <= wanted.by
    ] or confirmed
    final = word == "anchored" and any(anchor.final for anchor in counted)
    return Verdict(word, reason, valid, final, headline, hash_, tuple(anchors), tuple(remarks))


def _decide(
    hash_: str, anchors: Sequence[AnchorVerdict], wanted: Wanted
) -> tuple[str, str | None, bool | None, str]:
    def those(outcome: str) -> list[AnchorVerdict]:
        return [anchor for anchor in anchors if anchor.outcome == outcome]

    for anchor in anchors:
        if anchor.outcome in (FAILED, DENIED):
            reason = anchor.reason or "chain"
            return "contradicted", reason, False, f"NOT VALID: {anchor.chain}: {_why(anchor)}"
    for anchor in those(DISAGREE):
        text = f"NOT DECIDED: the endpoints of {anchor.chain} disagree: {_why(anchor)}"
        return "contradicted", "endpoints_disagree", None, text
    confirmed, unread = those(CONFIRMED), those(UNREAD)
    if not confirmed and unread:
        text = "; ".join(f"{anchor.chain} was not read: {_why(anchor)}" for anchor in unread)
        return "unknown", "unread", None, f"NOT DECIDED: {text}"
    if not confirmed:
        return (
            "contradicted",
            "registry",
            False,
            "NOT VALID: no anchor is of the published registry, and none was named",
        )
    in_time = [anchor for anchor in confirmed if wanted.by is None or anchor.block_time <= wanted.by]
    if wanted.by is not None and not in_time:
        if any(anchor.block_time <= wanted.by for anchor in unread):
            return "anchored", "unread", None, "NOT DECIDED: the anchors by the time asked for were not read"
        earliest = min(anchor.block_time for anchor in confirmed)
        return (
            "anchored",
            "late",
            False,
            f"NOT VALID: {hash_} existed by {time_text(earliest)}, which is too late",
        )
    if wanted.final and not any(anchor.final for anchor in in_time):
        return "anchored", "not_final", None, f"NOT DECIDED: {hash_} is anchored, but in no final block yet"
    return "anchored", None, True, _valid(hash_, anchors, confirmed)


def _valid(hash_: str, anchors: Sequence[AnchorVerdict], confirmed: Sequence[AnchorVerdict]) -> str:
    best = min(confirmed, key=lambda anchor: anchor.block_time)
    rest = [anchor for anchor in anchors if anchor.outcome != CONFIRMED]
    text = "VALID"
    if rest:
        text += (
            f" on {len(confirmed)} of {len(anchors)} anchors; {', '.join(sorted({a.chain for a in rest}))} "
        )
        text += (
            "was not read"
            if all(anchor.outcome == UNREAD for anchor in rest)
            else "does not count or was not read"
        )
    text += f": {hash_} existed by {time_text(best.block_time)}, on {best.chain}, as {best.publisher} showed"
    return text if any(anchor.final for anchor in confirmed) else f"{text}; not final yet"


def _asked(anchors: Sequence[AnchorVerdict]) -> list[str]:
    readings = [reading for anchor in anchors for reading in anchor.readings if not reading.elsewhere]
    answered = sorted({reading.endpoint for reading in readings if reading.outcome != UNREAD})
    silent = sorted({reading.endpoint for reading in readings if reading.outcome == UNREAD})
    return [f"read from {', '.join(answered)}"] + ([f"not read: {', '.join(silent)}"] if silent else [])


def _why(anchor: AnchorVerdict) -> str:
    if anchor.detail:
        return anchor.detail
    return "; ".join(
        f"{reading.endpoint}: {reading.outcome}, {reading.detail}" for reading in anchor.readings
    )


def time_text(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
