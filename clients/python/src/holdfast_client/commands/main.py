"""Reads the command line, runs a command, turns errors into exit statuses."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone

from ..errors import (
    ForbiddenError,
    HoldfastError,
    InvalidInputError,
    NotYetError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
)
from ..exchange.endpoint import VERSION
from . import push, receipt, verify

USAGE, DATA, NO_INPUT, UNAVAILABLE, CANNOT_CREATE, TEMPORARY, PROTOCOL, NO_PERMISSION = (
    64,
    65,
    66,
    69,
    73,
    75,
    76,
    77,
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="python -m holdfast_client",
        description="Push hashes to Holdfast, fetch receipts, check them against the chain.",
        epilog="HOLDFAST_URL and HOLDFAST_API_KEY name Holdfast and a producer's key.",
    )
    top.add_argument("--version", action="version", version=VERSION)
    commands = top.add_subparsers(dest="command", required=True, parser_class=_Parser)
    service = _Parser(add_help=False)
    service.add_argument("--url", help="address of Holdfast (default: HOLDFAST_URL)")
    service.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="deadline (default: 30)"
    )

    command = commands.add_parser("push", parents=[service], help="store hashes, records or documents")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--records", action="store_true", help="each line is a JSON record, hashed here")
    form.add_argument("--files", action="store_true", help="each argument is a document, hashed here")
    command.add_argument("file", nargs="+", help="a file of hashes, one a line; - reads standard input")
    command.set_defaults(run=push.run)

    command = commands.add_parser("receipt", parents=[service], help="print a hash's receipt")
    command.add_argument("hash", help="64 hex digits, with or without 0x")
    command.add_argument("--wait", action="store_true", help="wait for it, up to the deadline")
    command.set_defaults(run=receipt.run)

    command = commands.add_parser("verify", help="check a receipt against its chain, without Holdfast")
    command.add_argument("receipt", help="a file that holds a receipt; - reads standard input")
    command.add_argument(
        "--rpc", action="append", required=True, metavar="URL", help="an endpoint that you chose"
    )
    command.add_argument("--publisher", action="append", metavar="ADDRESS", help="an account that counts")
    command.add_argument("--registry", action="append", metavar="ADDRESS", help="a contract that counts")
    subject = command.add_mutually_exclusive_group()
    subject.add_argument("--hash", help="the receipt must be of this hash")
    subject.add_argument("--record", metavar="FILE", help="… of this JSON record")
    subject.add_argument("--file", metavar="FILE", help="… of this document")
    command.add_argument("--by", type=_time, metavar="TIME", help="the block must be of this time or earlier")
    command.add_argument("--final", action="store_true", help="the block must be final")
    command.add_argument("--require", type=int, default=1, metavar="N", help="endpoints that must answer")
    seconds = "for each call to an endpoint (default: 10)"
    command.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help=seconds)
    command.set_defaults(run=verify.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns its exit status: 0, 1, 2, or one of sysexits.h for what kept it from
    running.
    """
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CANNOT_CREATE
    except (HoldfastError, OSError) as error:
        stored = (
            f" ({error.stored} hashes are stored)"
            if isinstance(error, HoldfastError) and error.stored
            else ""
        )
        print(f"holdfast: {error}{stored}", file=sys.stderr)
        return _status_of(error)
    return status


def _status_of(error: Exception) -> int:
    kinds: list[tuple[type[Exception], int]] = [
        (NotYetError, 2),
        (InvalidInputError, DATA),
        (UnauthorizedError, NO_PERMISSION),
        (ForbiddenError, NO_PERMISSION),
        (UnavailableError, TEMPORARY),
        (UnexpectedAnswerError, PROTOCOL),
        (HoldfastError, UNAVAILABLE),
        (OSError, NO_INPUT),
    ]
    return next(status for kind, status in kinds if isinstance(error, kind))


def _time(text: str) -> datetime:
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)
