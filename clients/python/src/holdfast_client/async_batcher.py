"""Collects single hashes from many tasks into few requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from .async_client import AsyncHoldfast
from .errors import BatcherClosedError, HoldfastError, UnavailableError
from .exchange.records import HASHES_PER_PUSH, Pushed
from .hashing import Hash, hash_bytes, hash_text

_Waiting = tuple[bytes, "asyncio.Future[Pushed]"]


class AsyncBatcher:
    """Pushes in the background what tasks submit; the asyncio twin of Batcher, with the same promises.

    `stored = await (await batcher.submit(hash))` returns once the hash is stored. Use it as `async with`.
    """

    def __init__(
        self,
        client: AsyncHoldfast,
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
        self._in_flight = 0
        self._hurry = 0
        self._closed = False
        self._error: HoldfastError | None = None
        self._changed = asyncio.Condition()
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> AsyncBatcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def submit(self, hash_: Hash, *, timeout: float | None = None) -> asyncio.Future[Pushed]:
        """Takes a hash over; waits for room up to `timeout` seconds.

        Raises UnavailableError when there is no room by then, BatcherClosedError after close.
        """
        value = hash_bytes(hash_)
        seconds = self._timeout if timeout is None else timeout
        until = asyncio.get_running_loop().time() + seconds
        while not self._closed and not self._room():
            try:
                await asyncio.wait_for(self._wait_for_room(), until - asyncio.get_running_loop().time())
            except asyncio.TimeoutError as error:
                text = f"{self._max_pending} hashes wait already and {seconds:g} s passed."
                raise UnavailableError(text, attempts=0) from error
        if self._closed:
            raise BatcherClosedError("The batcher is closed.")
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="holdfast-batcher")
        future: asyncio.Future[Pushed] = asyncio.get_running_loop().create_future()
        self._waiting.append((value, future))
        if len(self._waiting) == 1:
            async with self._changed:
                self._changed.notify_all()
        if len(self._waiting) >= self._max_batch:
            self._full.set()
        return future

    async def flush(self) -> None:
        """Waits until each hash submitted so far is stored or has failed. Raises the error if one failed,
        once.
        """
        self._hurry += 1
        self._full.set()
        async with self._changed:
            self._changed.notify_all()
            await self._changed.wait_for(lambda: not self._waiting and not self._in_flight)
        self._hurry -= 1
        error, self._error = self._error, None
        if error is not None:
            raise error

    async def close(self) -> None:
        """Sends what waits and takes no more. Raises the error if a hash was not stored since the last
        flush.
        """
        self._closed = True
        try:
            await self.flush()
        finally:
            if self._task is not None:
                await self._task
                self._task = None

    def _room(self) -> bool:
        return len(self._waiting) + self._in_flight < self._max_pending

    async def _wait_for_room(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._room())

    async def _work(self) -> None:
        while batch := await self._next_batch():
            try:
                pushed = await self._client.push([value for value, _ in batch], timeout=self._timeout)
            except HoldfastError as error:
                self._error = error
                for _, future in batch:
                    _settle(future, error)
            else:
                for value, future in batch:
                    _settle(future, Pushed((hash_text(value),), pushed.received_at, pushed.anchor_by))
            self._in_flight = 0
            async with self._changed:
                self._changed.notify_all()

    async def _next_batch(self) -> list[_Waiting]:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
        if self._waiting and not (self._closed or self._hurry or len(self._waiting) >= self._max_batch):
            self._full.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._max_delay)
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
        self._in_flight = len(batch)
        return batch


def _settle(future: asyncio.Future[Pushed], outcome: Pushed | HoldfastError) -> None:
    if future.done():
        return
    if isinstance(outcome, HoldfastError):
        future.set_exception(outcome)
        future.exception()  # flush and close raise it too, so that a future nobody awaits is no surprise
    else:
        future.set_result(outcome)
