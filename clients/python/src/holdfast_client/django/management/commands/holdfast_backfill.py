from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from ...models import HoldfastModel
from ...outbox import parts, record_rows


def holdfast_model(name: str) -> type[HoldfastModel]:
    """Returns a model by its name. Raises CommandError."""
    try:
        kind = apps.get_model(name)
    except (LookupError, ValueError) as error:
        raise CommandError(f"{name}: there is no such model; give app.Model.") from error
    if not issubclass(kind, HoldfastModel):
        raise CommandError(f"{name} does not derive from HoldfastModel.")
    return kind


class Command(BaseCommand):
    help = "Writes an entry for each row that has none: rows from before the app, or loaded by SQL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", nargs="+", metavar="app.Model")
        parser.add_argument("--database", default="default")
        parser.add_argument(
            "--changed",
            action="store_true",
            help="also for rows that differ from their last entry: accepts the change",
        )

    def handle(self, *_: Any, model: list[str], database: str, changed: bool, **__: Any) -> None:
        for name in model:
            kind = holdfast_model(name)
            keys = list(kind._base_manager.using(database).values_list("pk", flat=True))
            for part in parts(keys):
                record_rows(kind, part, database, only_new=not changed)
            self.stdout.write(f"{name}: {len(keys)} rows looked at")
