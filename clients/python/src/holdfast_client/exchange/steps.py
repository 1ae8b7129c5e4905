"""One exchange: a request, its retries, and its deadline. Pure: a driver sends requests and sleeps.

A driver runs a generator of steps. It answers a yielded Request with an Answer, or throws a TransportFault
into the generator; it answers a yielded Pause by sleeping.
"""

from __future__ import annotations

import email.utils
import json
import random
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeAlias, TypeVar

from ..errors import (
    ForbiddenError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
)

RETRIED_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
MAX_ANSWER_BYTES = 64 << 20

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_SHORTEST_ATTEMPT = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `deadline` is a time.monotonic() value by which the answer must be complete."""

    method: str
    path: str
    deadline: float
    body: bytes | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


class TransportFault(Exception):  # noqa: N818
    """No complete answer: not connected, cut off, or the deadline passed. The request may have been
    served.
    """


T = TypeVar("T")
Steps: TypeAlias = Generator[Request | Pause, Answer | None, T]


def deadline_after(seconds: float) -> float:
    return time.monotonic() + seconds


def exchange(request: Request) -> Steps[Answer]:
    """Sends a request until it is answered by other than "come back later", or its deadline passes.

    Waits as long as Retry-After says, at least; where that is past the deadline, gives up at once. Retries
    lost connections, timeouts and the statuses in RETRIED_STATUSES. Raises UnavailableError.
    """
    attempts = 0
    cause: TransportFault | None
    wanted: float | None
    while True:
        attempts += 1
        try:
            answer = yield request
        except TransportFault as fault:
            wanted, why, cause = None, str(fault), fault
        else:
            assert answer is not None  # noqa: S101
            if answer.status not in RETRIED_STATUSES:
                return answer
            wanted, why, cause = retry_after(answer), _describe(answer), None
        left = request.deadline - time.monotonic()
        pause = _backoff(attempts)
        if wanted is not None:
            pause = max(pause, wanted)
        if left < _SHORTEST_ATTEMPT or (wanted is not None and pause >= left):
            counted = "1 attempt" if attempts == 1 else f"{attempts} attempts"
            later = "" if wanted is None else f"; it asks to come back after {wanted:g} s"
            raise UnavailableError(
                f"Holdfast did not serve {request.method} {request.path} in time ({counted}): {why}{later}",
                attempts=attempts,
                retry_after=wanted,
            ) from cause
        yield Pause(min(pause, left / 2) if wanted is None else pause)


def _backoff(attempts: int) -> float:
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311


def retry_after(answer: Answer) -> float | None:
    """Seconds that the answer asks to wait. A date counts from the answer's own Date. None without the
    header.
    """
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(answer.headers.get("date", "")) or datetime.now(timezone.utc)
    return max(0.0, (until - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


def json_object(answer: Answer, request: Request) -> dict[str, Any]:
    """Returns the JSON object in the answer. Raises UnexpectedAnswerError when there is none."""
    try:
        value = json.loads(answer.body.decode("utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise unexpected(
            request, f"status {answer.status} without a JSON object: is this Holdfast's address?"
        )
    return value


def unexpected(request: Request, what: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(f"{request.method} {request.path} was answered by {what}")


def refusal(answer: Answer, request: Request) -> RefusedError | UnexpectedAnswerError:
    """Returns the error for an answer that is not a success: the problem document's, where there is one."""
    try:
        problem = json_object(answer, request)
    except UnexpectedAnswerError as error:
        return error
    code, detail, index = problem.get("code"), problem.get("detail"), problem.get("index")
    if not isinstance(code, str) or not isinstance(detail, str) or answer.status < 400:
        return unexpected(request, f"status {answer.status} without a problem document")
    kind = {401: UnauthorizedError, 403: ForbiddenError}.get(answer.status, RefusedError)
    return kind(answer.status, code, detail, index=index if isinstance(index, int) else None)


def _describe(answer: Answer) -> str:
    try:
        problem = json.loads(answer.body.decode("utf-8"))
        return f"{answer.status} {problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"status {answer.status}"
