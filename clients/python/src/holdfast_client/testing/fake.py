"""FakeHoldfast: Holdfast and its chain in memory."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..client import Holdfast
from ..exchange.steps import Answer, Request, TransportFault
from ..hashing import hash_text
from .api import Problem, answer_request
from .chain import answer_rpc
from .ledger import CHAIN_ID, PUBLISHER, REGISTRY, Ledger
from .server import FakeServer

if TYPE_CHECKING:
    from ..async_client import AsyncHoldfast


class FakeHoldfast:
    """Stores what is pushed, and makes real trees and receipts that the verifier accepts.

    Nothing happens by itself: `seal`, `anchor` and `finalize` move everything on. `client()` needs no
    network; `url` and `rpc_url` serve the same over loopback, from the first use until `close`.
    """

    api_key = "hf_fake"
    chain_id = f"eip155:{CHAIN_ID}"
    registry = REGISTRY
    publisher = PUBLISHER

    def __init__(self) -> None:
        self.down = False
        """While true, no request gets through and nothing is stored."""
        self._ledger = Ledger()
        self._lock = threading.Lock()
        self._next: deque[Problem | None] = deque()
        self._server: FakeServer | None = None

    @property
    def hashes(self) -> list[str]:
        """All hashes stored, in order of arrival."""
        with self._lock:
            return [hash_text(hash_) for hash_ in self._ledger.stored]

    @property
    def url(self) -> str:
        """Address of the fake on loopback."""
        if self._server is None:
            self._server = FakeServer(self)
        return self._server.url

    @property
    def rpc_url(self) -> str:
        """Address of the fake's chain on loopback."""
        return self.url + "/rpc"

    def client(self, **options: Any) -> Holdfast:
        """Returns a client of this fake that uses no network."""
        return Holdfast("fake", transport=FakeTransport(self, self.api_key), **options)

    def async_client(self, **options: Any) -> AsyncHoldfast:
        from ..async_client import AsyncHoldfast

        return AsyncHoldfast("fake", transport=AsyncFakeTransport(self, self.api_key), **options)

    def seal(self) -> None:
        """Seals what was pushed into a batch."""
        with self._lock:
            self._ledger.seal()

    def anchor(self) -> None:
        """Seals, and anchors all batches in one block of the fake's chain."""
        with self._lock:
            self._ledger.anchor(datetime.now(timezone.utc).replace(microsecond=0))

    def finalize(self) -> None:
        """Anchors, and makes all blocks final."""
        self.anchor()
        with self._lock:
            for anchor in self._ledger.anchors:
                anchor.finalized = True

    def refuse_next(
        self, status: int = 503, code: str = "OVERLOADED", *, retry_after: int = 0, times: int = 1
    ) -> None:
        """Answers the next requests with a problem document, and stores nothing for them."""
        self._next.extend(
            Problem(status, code, "The fake was told to refuse.", retryAfter=retry_after)
            for _ in range(times)
        )

    def lose_next_answer(self, times: int = 1) -> None:
        """Serves the next requests, and loses the answers."""
        self._next.extend(None for _ in range(times))

    def answer(self, request: Request, api_key: str | None) -> Answer:
        """Answers a request. Raises TransportFault where the caller sees a lost connection."""
        if self.down:
            raise TransportFault("the fake is down")
        lost = False
        with self._lock:
            try:
                if self._next:
                    told = self._next.popleft()
                    if told is not None:
                        return told.answer
                    lost = True
                answer = answer_request(self._ledger, request, authorized=api_key == self.api_key)
            except Problem as problem:
                answer = problem.answer
        if lost:
            raise TransportFault("the fake lost the answer")
        return answer

    def rpc(self, body: bytes) -> bytes:
        """Answers a JSON-RPC request on the fake's chain."""
        with self._lock:
            return answer_rpc(self._ledger, body)

    def close(self) -> None:
        """Stops serving on loopback."""
        if self._server is not None:
            self._server.close()
            self._server = None


class FakeTransport:
    """Carries a Holdfast client's requests to a fake."""

    def __init__(self, fake: FakeHoldfast, api_key: str | None) -> None:
        self._fake = fake
        self._api_key = api_key

    def send(self, request: Request) -> Answer:
        return self._fake.answer(request, self._api_key)

    def close(self) -> None:
        pass


class AsyncFakeTransport:
    """Carries an AsyncHoldfast client's requests to a fake."""

    def __init__(self, fake: FakeHoldfast, api_key: str | None) -> None:
        self._fake = fake
        self._api_key = api_key

    async def send(self, request: Request) -> Answer:
        return self._fake.answer(request, self._api_key)

    async def close(self) -> None:
        pass
