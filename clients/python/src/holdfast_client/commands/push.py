"""push: store hashes, records or documents."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..client import Holdfast
from ..errors import InvalidInputError
from ..hashing import hash_file, hash_text
from ..records import hash_record, parse_record


def run(options: argparse.Namespace) -> int:
    """Prints each hash once it is stored. Everything is read before anything is sent, but for standard
    input.
    """
    if options.files:
        hashes: Iterable[str] = [hash_file(path) for path in options.file]
    elif options.file == ["-"]:
        hashes = _of_lines("standard input", iter(sys.stdin.buffer), records=options.records)
    else:
        hashes = [hash_ for path in options.file for hash_ in _of_file(path, records=options.records)]
    with Holdfast(options.url, timeout=options.timeout) as holdfast:
        for pushed in holdfast.push_stream(hashes):
            sys.stdout.write("".join(f"{hash_}\n" for hash_ in pushed.hashes))
    return 0


def _of_file(path: str, *, records: bool) -> Iterator[str]:
    with Path(path).open("rb") as file:
        yield from _of_lines(path, file, records=records)


def _of_lines(name: str, lines: Iterable[bytes], *, records: bool) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        try:
            yield (
                hash_record(parse_record(text))
                if records
                else hash_text(text.decode("ascii", "replace").strip('"'))
            )
        except InvalidInputError as error:
            raise InvalidInputError(f"{name}, line {number}: {error}") from error
