"""Hashes on their way while the daemon is killed twice and stopped once.

HOLDFAST_OUTAGE_HASHES sets how many; the goal of 200,000 takes about two minutes on two cores.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time

from holdfast_client import Holdfast, verify_receipts
from support.daemon import start_daemon

COUNT = int(os.environ.get("HOLDFAST_OUTAGE_HASHES", "20000"))


def test_all_that_is_reported_stored_has_a_receipt_whatever_happens_to_the_daemon(servers):
    daemon = start_daemon(servers, "python_outage")
    stored: list[str] = []
    outages = [(COUNT // 4, signal.SIGKILL), (COUNT // 2, signal.SIGTERM), (3 * COUNT // 4, signal.SIGKILL)]
    happened = []

    def disturb():
        for after, number in outages:
            while len(stored) < after:
                time.sleep(0.001)
            daemon.signal(number)
            daemon.process.wait(30)
            happened.append(number)
            daemon.start()

    disturber = threading.Thread(target=disturb, daemon=True)
    hashes = (hashlib.sha256(b"%d" % number).digest() for number in range(COUNT))
    with Holdfast(daemon.url, daemon.api_key) as holdfast:
        disturber.start()
        for pushed in holdfast.push_stream(hashes, slice_size=max(1, COUNT // 400), timeout=60):
            stored.extend(pushed.hashes)
        disturber.join(60)
        assert [*happened] == [number for _, number in outages]
        assert len(stored) == COUNT
        daemon.wait_until_ready()
        holdfast.wait_for(stored[-1], timeout=60)
        deadline = time.monotonic() + 120
        left, receipts = stored, []
        while left:
            found = list(holdfast.receipts(left, timeout=60))
            if len(receipts) < 2_000:
                receipts += [one.receipt for one in found if one.receipt is not None][:2_000]
            left = [one.hash for one in found if one.receipt is None]
            assert time.monotonic() < deadline, (
                f"{len(left)} of {COUNT} hashes reported stored have no receipt"
            )
        assert all(verdict.valid for verdict in verify_receipts(receipts, daemon.rpc_url))
    daemon.kill()
