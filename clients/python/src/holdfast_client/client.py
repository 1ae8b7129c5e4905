"""The client for threads: Holdfast."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import Any, TypeVar

from .encoders import Encoder
from .errors import HoldfastError
from .exchange.blocking import BlockingTransport, Transport, run
from .exchange.endpoint import read_endpoint
from .exchange.records import (
    HASHES_PER_PUSH,
    HASHES_PER_RECEIPTS,
    Found,
    Pushed,
    Receipt,
    RecordStatus,
    many_receipts,
    one_receipt,
    push_all,
    push_hashes,
    record_status,
    slices,
    wait_for_receipt,
)
from .exchange.steps import Steps, deadline_after
from .hashing import Hash, hash_file, hash_text, numbered_hashes
from .records import hash_record

T = TypeVar("T")


class Holdfast:
    """Pushes hashes to Holdfast and fetches their receipts. One instance serves all threads of a process.

    `url` and `api_key` default to HOLDFAST_URL and HOLDFAST_API_KEY. `timeout` is the deadline in seconds of
    each call, retries included; each method takes its own. Lost connections, timeouts, 429 and 503 are
    retried until the deadline, so that a call outlasts a restart of Holdfast.

    Every method raises UnavailableError at the deadline, RefusedError for what a retry does not change,
    UnexpectedAnswerError for an answer that is not Holdfast's, and InvalidInputError before anything is sent.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.timeout = timeout
        if transport is None:
            endpoint = read_endpoint(url, api_key)
            self.url = endpoint.url
            self.transport: Transport = BlockingTransport(endpoint, ssl_context)
        else:
            self.url = url or "in memory"
            self.transport = transport

    def __repr__(self) -> str:
        return f"Holdfast({self.url!r})"

    def __enter__(self) -> Holdfast:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes idle connections."""
        self.transport.close()

    def push(self, hashes: Hash | Iterable[Hash], *, timeout: float | None = None) -> Pushed:
        """Stores one hash, or any number that fits into memory, once all are known to be hashes.

        Returns when all of them are committed to Holdfast's database. On an error, the first `error.stored`
        are. Pushing a hash again is harmless: it adds a leaf.
        """
        return self._run(push_all(hashes, self._deadline(timeout)))

    def push_stream(
        self, hashes: Iterable[Hash], *, slice_size: int = HASHES_PER_PUSH, timeout: float | None = None
    ) -> Iterator[Pushed]:
        """Stores hashes without end in bounded memory. Yields each slice once it is stored.

        `timeout` is for each slice. On an error, `error.stored` counts the hashes of all slices before it.
        """
        stored = 0
        try:
            for chunk in slices(numbered_hashes(hashes), slice_size):
                pushed = self._run(push_hashes(chunk, self._deadline(timeout)))
                stored += len(chunk)
                yield pushed
        except HoldfastError as error:
            error.stored = stored
            raise

    def push_record(
        self, record: Any, *, encoder: Encoder | None = None, timeout: float | None = None
    ) -> Pushed:
        """Stores a JSON record's hash. The record is hashed here and its content stays here."""
        return self.push(hash_record(record, encoder=encoder), timeout=timeout)

    def push_records(
        self, records: Iterable[Any], *, encoder: Encoder | None = None, timeout: float | None = None
    ) -> Pushed:
        """Stores the hashes of JSON records. The records are hashed here, all of them before anything is
        sent.
        """
        return self.push([hash_record(record, encoder=encoder) for record in records], timeout=timeout)

    def push_file(self, path: str | PathLike[str], *, timeout: float | None = None) -> Pushed:
        """Stores the SHA-256 of a file's octets. Raises OSError when it cannot be read."""
        return self.push(hash_file(path), timeout=timeout)

    def status(self, hash_: Hash, *, timeout: float | None = None) -> RecordStatus:
        """Tells where a record stands."""
        return self._run(record_status(hash_text(hash_), self._deadline(timeout)))

    def receipt(self, hash_: Hash, *, timeout: float | None = None) -> Receipt | None:
        """Returns the receipt of exactly this hash, or None while it has none; `status` tells why."""
        return self._run(one_receipt(hash_text(hash_), self._deadline(timeout)))

    def receipts(self, hashes: Iterable[Hash], *, timeout: float | None = None) -> Iterator[Found]:
        """Looks any number of hashes up. Yields one Found for each, in order. `timeout` is for each 1,000."""
        for chunk in slices(numbered_hashes(hashes), HASHES_PER_RECEIPTS):
            yield from self._run(
                many_receipts([hash_text(value) for value in chunk], self._deadline(timeout))
            )

    def wait_for(self, hash_: Hash, status: str = "anchored", *, timeout: float | None = None) -> Receipt:
        """Waits until a record is `anchored` or `finalized`; returns its receipt. Raises NotYetError at the
        deadline.
        """
        return self._run(wait_for_receipt(hash_text(hash_), status, self._deadline(timeout)))

    def _deadline(self, timeout: float | None) -> float:
        return deadline_after(self.timeout if timeout is None else timeout)

    def _run(self, steps: Steps[T]) -> T:
        return run(steps, self.transport)
