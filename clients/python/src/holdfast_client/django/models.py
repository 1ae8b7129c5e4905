"""Entry, the outbox and its history; HoldfastModel, the mixin for models whose rows are anchored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from django.db import NotSupportedError, models, router, transaction
from django.db.models import Q

from . import outbox

M = TypeVar("M", bound=models.Model)

HASH_LENGTH = 66


class Status(models.TextChoices):
    """How far an entry is. `FINAL` includes that Holdfast saw the anchor's block final."""

    PENDING = "pending", "not pushed"
    ACCEPTED = "accepted", "accepted"
    ANCHORED = "anchored", "anchored"
    FINAL = "final", "final"


class Entry(models.Model):
    """One version of one row: what was hashed, and its way to the chain. Written with the row, never deleted
    here.
    """

    model = models.CharField(max_length=100, help_text="app_label.model of the row")
    object_id = models.CharField(max_length=255, help_text="key of the row, as text")
    hash = models.CharField(max_length=HASH_LENGTH, db_index=True, help_text="what is anchored")
    record = models.TextField(
        blank=True, help_text="the octets that were hashed, in UTF-8; empty if not kept"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    pushed_at = models.DateTimeField(null=True, help_text="when Holdfast stored the hash")
    anchor_by = models.DateTimeField(null=True, help_text="when it is on a chain at the latest")
    receipt = models.JSONField(null=True, help_text="holdfast-receipt/1")
    next_look_at = models.DateTimeField(null=True, help_text="when the sweep asks for the receipt next")
    error = models.TextField(blank=True, help_text="why the last push failed")
    checked_at = models.DateTimeField(null=True, help_text="when the row was compared with this entry last")
    intact = models.BooleanField(null=True, help_text="whether the row held then what was hashed")
    claimed_by = models.UUIDField(null=True, editable=False)
    claimed_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "entry"
        verbose_name_plural = "entries"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["model", "object_id", "-id"], name="holdfast_object"),
            models.Index(fields=["id"], name="holdfast_pending", condition=Q(status="pending")),
            models.Index(
                fields=["next_look_at"],
                name="holdfast_look",
                condition=Q(status__in=["accepted", "anchored"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.object_id}: {self.hash[:10]}…"


class HoldfastQuerySet(models.QuerySet[M]):
    """A queryset whose bulk writes are recorded as saves are."""

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        if kwargs.get("ignore_conflicts") or kwargs.get("update_conflicts"):
            raise NotSupportedError(
                "bulk_create with conflicts does not tell which rows it wrote, so they cannot be recorded. "
                "Use update_or_create."
            )
        with transaction.atomic(using=self.db, savepoint=False):
            created = super().bulk_create(objs, *args, **kwargs)
            outbox.record_rows(self.model, [row.pk for row in created], self.db)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def update(self, **kwargs: Any) -> int:
        with transaction.atomic(using=self.db, savepoint=False):
            keys = list(self.order_by().values_list("pk", flat=True))
            rows = 0
            for part in outbox.parts(keys):
                rows += models.QuerySet.update(self.filter(pk__in=part), **kwargs)
            outbox.record_rows(self.model, keys, self.db)
        return rows

    update.alters_data = True  # type: ignore[attr-defined]


HoldfastManager = models.Manager.from_queryset(HoldfastQuerySet)


class HoldfastModel(models.Model):
    """A model whose every saved version is anchored. Put it before other bases.

    `save`, `create`, `bulk_create`, `update` and `bulk_update` write the row and its entry in one
    transaction. The entry holds what the database reads back. Not seen: raw SQL, `loaddata`, cascades of
    SET_NULL and SET_DEFAULT, and many-to-many rows, for which call `holdfast_push` after `set`.
    """

    holdfast_hasher: ClassVar[str] = "holdfast_client.django.hashers.canonical"
    holdfast_keep_record: ClassVar[bool | None] = None
    """Whether entries keep the record; None: as settings.HOLDFAST["KEEP_RECORDS"] says."""

    objects: ClassVar[Any] = HoldfastManager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or (args[2] if len(args) > 2 else None)
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            super().save(*args, **kwargs)
            outbox.record_rows(type(self), [self.pk], using)

    save.alters_data = True  # type: ignore[attr-defined]

    def holdfast_record(self) -> Any:
        """Returns what is anchored of this row: JSON values, and what hashers.django_encoder writes.

        Override it. It must depend on the row alone, name the row (its key), and hold what must not change.
        """
        raise NotImplementedError(f"{type(self).__name__} must define holdfast_record().")

    def holdfast_push(self) -> None:
        """Records this row as it is in the database, if it differs from its last entry."""
        outbox.record_rows(
            type(self), [self.pk], self._state.db or router.db_for_write(type(self), instance=self)
        )

    holdfast_push.alters_data = True  # type: ignore[attr-defined]

    @property
    def holdfast_entries(self) -> models.QuerySet[Entry]:
        """This row's entries, newest first."""
        return outbox.entries_of(type(self), self._state.db).filter(object_id=outbox.object_key(self.pk))
