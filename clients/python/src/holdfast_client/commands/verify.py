"""verify: check a receipt against its chain."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..hashing import hash_file
from ..records import parse_record
from ..verify import verify_receipt


def run(options: argparse.Namespace) -> int:
    """Prints the verdict. Returns 0 for valid, 1 for not valid, 2 for not decided."""
    document = sys.stdin.buffer.read() if options.receipt == "-" else Path(options.receipt).read_bytes()
    subject: dict[str, Any] = {}
    if options.hash is not None:
        subject["hash_"] = options.hash
    elif options.record is not None:
        subject["record"] = parse_record(Path(options.record).read_bytes())
    elif options.file is not None:
        subject["hash_"] = hash_file(options.file)
    verdict = verify_receipt(
        document,
        options.rpc,
        publisher=options.publisher,
        registry=options.registry,
        by=options.by,
        final=options.final,
        require=options.require,
        timeout=options.timeout,
        **subject,
    )
    print("\n".join(verdict.lines()))
    return verdict.exit_status
