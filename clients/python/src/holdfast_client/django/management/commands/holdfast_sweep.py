from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...conf import read_settings
from ...sweep import sweep


class Command(BaseCommand):
    help = "Pushes rows that wait to Holdfast and fetches receipts. Safe to run at any time, in any number."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, with pauses of SECONDS")
        parser.add_argument("--database", action="append", help="default: settings.HOLDFAST['DATABASES']")

    def handle(self, *_: Any, every: float | None, database: list[str] | None, **__: Any) -> None:
        aliases = database or list(read_settings().databases)
        while True:
            reports = {alias: sweep(alias) for alias in aliases}
            for alias, report in reports.items():
                if every is None or report.pushed or report.receipts or report.error:
                    self.stdout.write(f"{alias}: {report}")
            if every is None:
                failed = [report for report in reports.values() if report.error]
                if failed:
                    raise CommandError(
                        "Holdfast did not take everything; the next sweep goes on.", returncode=75
                    )
                return
            time.sleep(every)
