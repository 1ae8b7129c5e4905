from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...verify import verify_rows
from .holdfast_backfill import holdfast_model


class Command(BaseCommand):
    help = "Compares all rows of models with what was anchored of them. Exit status 1 if any was changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", nargs="+", metavar="app.Model")
        parser.add_argument("--database", default="default")

    def handle(self, *_: Any, model: list[str], database: str, **__: Any) -> None:
        changed = 0
        for name in model:
            kind = holdfast_model(name)
            words: Counter[str] = Counter()
            rows = kind._base_manager.using(database).order_by("pk").iterator(chunk_size=500)
            for row, verdict in verify_rows(rows):
                words[verdict.word] += 1
                if verdict.valid is False:
                    changed += 1
                    self.stdout.write(f"{name} {row.pk}: {verdict.headline}")
            counts = ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
            self.stdout.write(f"{name}: {counts or 'no rows'}")
        if changed:
            raise CommandError(f"{changed} rows do not hold what was anchored.")
