"""Writes entries in the transaction of their rows, and asks for a sweep after the commit."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from django.db import connections, models, transaction
from django.db.models import CharField, Max, Value
from django.db.models.functions import Cast, Replace

from ..hashing import hash_content
from .conf import read_settings
from .hashers import hasher_named

if TYPE_CHECKING:
    from .models import Entry

logger = logging.getLogger("holdfast_client.django")

_ROWS_PER_STATEMENT = 500


def record_rows(
    model: type[models.Model], keys: Sequence[Any], using: str, *, only_new: bool = False
) -> None:
    """Writes an entry for each of these rows that differs from its last entry; with `only_new`, that has
    none.

    Reads the rows from the database, inside the caller's transaction. Raises what holdfast_record raises, and
    InvalidRecordError; then the row must not be committed either.
    """
    for part in parts(keys):
        _record_part(model, part, using, only_new=only_new)


def parts(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), _ROWS_PER_STATEMENT):
        yield keys[start : start + _ROWS_PER_STATEMENT]


def label_of(model: type[models.Model]) -> str:
    concrete = model._meta.concrete_model
    return (concrete or model)._meta.label_lower


def object_key(pk: Any) -> str:
    """Returns a row's key as entries hold it."""
    return pk.hex if isinstance(pk, uuid.UUID) else str(pk)


def object_key_expression(model: type[models.Model], name: Any) -> Any:
    """Returns the same in SQL, from a key's column."""
    text = Cast(name, CharField())
    if isinstance(model._meta.pk, models.UUIDField):
        return Replace(text, Value("-"), Value(""))
    return text


def entries_of(model: type[models.Model], using: str | None) -> models.QuerySet[Entry]:
    from .models import Entry

    return Entry.objects.using(using).filter(model=label_of(model))


def hashed_octets(row: Any) -> bytes:
    """Returns the octets whose SHA-256 is anchored for a row."""
    return hasher_named(row.holdfast_hasher)(row.holdfast_record())


def _record_part(model: type[models.Model], keys: Sequence[Any], using: str, *, only_new: bool) -> None:
    from .models import Entry

    with transaction.atomic(using=using, savepoint=False):
        rows = list(model._base_manager.using(using).filter(pk__in=keys).order_by("pk"))
        last = _last_hashes(model, [object_key(row.pk) for row in rows], using)
        entries = []
        for row in rows:
            key = object_key(row.pk)
            if only_new and key in last:
                continue
            octets = hashed_octets(row)
            hash_ = hash_content(octets)
            if last.get(key) != hash_:
                record = octets.decode() if _keeps_record(row) else ""
                entries.append(Entry(model=label_of(model), object_id=key, hash=hash_, record=record))
        if entries:
            Entry.objects.using(using).bulk_create(entries)
            _after_commit(using)


def _last_hashes(model: type[models.Model], object_ids: Sequence[str], using: str) -> dict[str, str]:
    ours = entries_of(model, using).filter(object_id__in=object_ids).order_by()
    newest = ours.values("object_id").annotate(newest=Max("id")).values("newest")
    return dict(ours.filter(id__in=newest).values_list("object_id", "hash"))


def _keeps_record(row: Any) -> bool:
    keep = row.holdfast_keep_record
    return read_settings().keep_records if keep is None else bool(keep)


def _after_commit(using: str) -> None:
    """Asks for one sweep after the commit, however many entries the transaction has."""
    ask = _asker(using)
    waiting = getattr(connections[using], "run_on_commit", [])
    if not any(ask in item for item in waiting):
        transaction.on_commit(ask, using=using, robust=True)


@cache
def _asker(using: str) -> partial[None]:
    return partial(_ask_for_sweep, using)


def _ask_for_sweep(using: str) -> None:
    mode = read_settings().sweep
    if mode == "off":
        return
    try:
        from .tasks import celery_is_set_up, holdfast_sweep
    except ModuleNotFoundError:
        return
    if mode == "celery" or celery_is_set_up():
        try:
            holdfast_sweep.apply_async(kwargs={"using": using}, retry=False, ignore_result=True)
        except Exception:
            # The entry is committed. The next sweep takes it.
            logger.warning(
                "The broker took no sweep; the next periodic sweep pushes what waits.", exc_info=True
            )
