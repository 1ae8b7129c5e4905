"""receipt: print a hash's receipt."""

from __future__ import annotations

import argparse
import json
import sys

from ..client import Holdfast


def run(options: argparse.Namespace) -> int:
    """Prints the receipt, or says on standard error why there is none yet, and returns 2."""
    with Holdfast(options.url, timeout=options.timeout) as holdfast:
        if options.wait:
            receipt = holdfast.wait_for(options.hash)
        else:
            found = holdfast.receipt(options.hash)
            if found is None:
                status = holdfast.status(options.hash)
                about = f", reason: {status.reason}" if status.reason else ""
                by = f", on a chain by {status.anchor_by.isoformat()}" if status.anchor_by else ""
                print(f"holdfast: no receipt yet: {status.status}{about}{by}", file=sys.stderr)
                return 2
            receipt = found
    print(json.dumps(receipt, indent=2))
    return 0
