"""Collects single hashes from many threads into few requests."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from concurrent.futures import Future

from .client import Holdfast
from .errors import BatcherClosedError, HoldfastError, UnavailableError
from .exchange.records import HASHES_PER_PUSH, Pushed
from .hashing import Hash, hash_bytes, hash_text

_Waiting = tuple[bytes, "Future[Pushed]"]


class Batcher:
    """Pushes in the background what threads submit. A future is done only when Holdfast stored its hash.

    Sends when `max_batch` hashes wait, or the oldest has waited `max_delay` seconds. Holds `max_pending`
    hashes at most, in flight included; `submit` blocks beyond. `timeout` is the deadline in seconds of each
    push, retries included: a hash that is not stored by then gets the error as its future's exception.

    `close` sends what waits, and so does the end of the process. `kill -9` loses what no future reported.
    """

    def __init__(
        self,
        client: Holdfast,
        *,
        max_pending: int = 100_000,
        max_batch: int = HASHES_PER_PUSH,
        max_delay: float = 0.05,
        timeout: float | None = None,
    ) -> None:
        self._client = client
        self._max_pending = max_pending
        self._max_batch = min(max_batch, max_pending, HASHES_PER_PUSH)
        self._max_delay = max_delay
        self._timeout = client.timeout if timeout is None else timeout
        self._waiting: deque[_Waiting] = deque()
        self._oldest_since = 0.0
        self._in_flight = 0
        self._hurry = 0
        self._closed = False
        self._error: HoldfastError | None = None
        self._changed = threading.Condition()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._work, name="holdfast-batcher", daemon=True)
        self._thread.start()
        atexit.register(self._close_at_exit)

    def __enter__(self) -> Batcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, hash_: Hash, *, timeout: float | None = None) -> Future[Pushed]:
        """Takes a hash over; waits for room up to `timeout` seconds.

        Raises UnavailableError when there is no room by then, BatcherClosedError after close or in a forked
        process.
        """
        value = hash_bytes(hash_)
        if self._pid != os.getpid():
            raise BatcherClosedError(
                "This batcher belongs to the process before a fork. Make one in each process."
            )
        seconds = self._timeout if timeout is None else timeout
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._room(), seconds):
                raise UnavailableError(
                    f"{self._max_pending} hashes wait already and {seconds:g} s passed.", attempts=0
                )
            if self._closed:
                raise BatcherClosedError("The batcher is closed.")
            future: Future[Pushed] = Future()
            future.set_running_or_notify_cancel()
            if not self._waiting:
                self._oldest_since = time.monotonic()
            self._waiting.append((value, future))
            if len(self._waiting) in (1, self._max_batch):
                self._changed.notify_all()
            return future

    def flush(self) -> None:
        """Waits until each hash submitted so far is stored or has failed. Raises the error if one failed.

        An error is raised once.
        """
        with self._changed:
            self._hurry += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and not self._in_flight)
            self._hurry -= 1
            error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Sends what waits and takes no more. Raises the error if a hash was not stored since the last
        flush.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        atexit.unregister(self._close_at_exit)
        if self._pid == os.getpid():
            self._thread.join()
            self.flush()

    def _close_at_exit(self) -> None:
        if self._pid == os.getpid():
            self.close()

    def _room(self) -> bool:
        return len(self._waiting) + self._in_flight < self._max_pending

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                pushed = self._client.push([value for value, _ in batch], timeout=self._timeout)
            except Exception as error:  # noqa: BLE001  # whatever it is, each future must have it
                self._fail(batch, error)
            else:
                for value, future in batch:
                    future.set_result(Pushed((hash_text(value),), pushed.received_at, pushed.anchor_by))
            with self._changed:
                self._in_flight = 0
                self._changed.notify_all()

    def _next_batch(self) -> list[_Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
            while self._waiting and not (
                self._closed or self._hurry or len(self._waiting) >= self._max_batch
            ):
                left = self._oldest_since + self._max_delay - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            count = min(len(self._waiting), self._max_batch)
            batch = [self._waiting.popleft() for _ in range(count)]
            self._oldest_since = time.monotonic()
            self._in_flight = len(batch)
            return batch

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        known = (
            error if isinstance(error, HoldfastError) else HoldfastError(f"{type(error).__name__}: {error}")
        )
        with self._changed:
            self._error = known
        for _, future in batch:
            future.set_exception(known)
