"""Everything that the package raises. One class for each thing that a caller would do about it."""

from __future__ import annotations

from datetime import datetime


class HoldfastError(Exception):
    """Root of all errors here.

    `stored` counts the hashes of this call that Holdfast acknowledged before the error: the first `stored`
    hashes, in the order given. Continue with the rest.
    """

    stored: int = 0


class InvalidInputError(HoldfastError, ValueError):
    """An argument is not a hash, a record, a URL or a key. Nothing was sent for it."""


class InvalidRecordError(InvalidInputError):
    """A record has no canonical form, or a JSON text is not one that Holdfast reads."""


class RefusedError(HoldfastError):
    """Holdfast answered with a problem document that a retry does not change."""

    def __init__(self, status: int, code: str, detail: str, *, index: int | None = None) -> None:
        place = "" if index is None else f" (item {index})"
        super().__init__(f"Holdfast refused: {status} {code}: {detail}{place}")
        self.status = status
        self.code = code
        self.detail = detail
        self.index = index


class UnauthorizedError(RefusedError):
    """No API key was given, or Holdfast does not know the key, or it was revoked."""


class ForbiddenError(RefusedError):
    """The API key lacks the scope that the call needs."""


class UnavailableError(HoldfastError):
    """Holdfast did not serve the call before its deadline. Retry later; a push may be repeated safely.

    Beyond `stored`, hashes of the call may be stored or not: the answer may have been lost. Pushing a hash
    again adds a leaf and does no harm.
    """

    def __init__(self, message: str, *, attempts: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.attempts = attempts
        self.retry_after = retry_after


class UnexpectedAnswerError(HoldfastError):
    """The answer is not Holdfast's, or contradicts the request: wrong hash, wrong count, not the API.

    Do not take any hash beyond `stored` as stored.
    """


class NotYetError(HoldfastError, TimeoutError):
    """The record did not reach the state waited for before the deadline."""

    def __init__(
        self, message: str, *, status: str, anchor_by: datetime | None = None, reason: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.anchor_by = anchor_by
        self.reason = reason


class BatcherClosedError(HoldfastError):
    """The batcher was closed, or belongs to another process, and takes no more hashes."""
