"""How Python values that JSON does not know are written in a record.

An encoder takes a value that has no canonical JSON form and returns one that has, or NotImplemented.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

from .errors import InvalidRecordError

Encoder: TypeAlias = Callable[[Any], Any]

_LONGEST_DECIMAL = 1000


def text_encoder(value: Any) -> Any:
    """Writes common Python values as text. Equal values give equal text.

    | value | text |
    |---|---|
    | Decimal | plain digits without trailing zeros: `"1.5"` for `Decimal("1.50")` |
    | int beyond ±(2^53 - 1) | its digits |
    | aware datetime | RFC 3339 in UTC with six decimals: `"2026-01-31T09:30:00.000000Z"` |
    | date, naive time | `"2026-01-31"`, `"09:30:00.000000"` |
    | timedelta | seconds, as a Decimal is written |
    | UUID | lower-case with hyphens |
    | bytes | `0x` and lower-case hex |
    | Enum | its value |

    Refuses a naive datetime, an aware time, and a Decimal that is NaN, infinite or longer than 1,000 digits:
    raises InvalidRecordError.
    """
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, decimal.Decimal):
        return _decimal_text(value)
    if isinstance(value, int):
        if value.bit_length() > 3 * _LONGEST_DECIMAL:
            raise InvalidRecordError("An integer has about a thousand digits or more. Write it as a string.")
        return str(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time | datetime.timedelta):
        return _time_text(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return "0x" + bytes(value).hex()
    return NotImplemented


def _decimal_text(value: decimal.Decimal) -> str:
    if not value.is_finite():
        raise InvalidRecordError(f"{value!r} is not a number. Write None, or leave the key out.")
    if abs(value.adjusted()) > _LONGEST_DECIMAL or len(value.as_tuple().digits) > _LONGEST_DECIMAL:
        raise InvalidRecordError(f"A Decimal has more than {_LONGEST_DECIMAL} digits. Write it as a string.")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _time_text(value: datetime.date | datetime.time | datetime.timedelta) -> str:
    if isinstance(value, datetime.timedelta):
        microseconds = value // datetime.timedelta(microseconds=1)
        return _decimal_text(decimal.Decimal(microseconds).scaleb(-6, decimal.Context(prec=40)))
    if isinstance(value, datetime.datetime):
        if value.utcoffset() is None:
            raise InvalidRecordError(
                f"{value!r} has no time zone, so it names no instant. Give it one: value.replace(tzinfo=…)."
            )
        try:
            utc = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        except OverflowError as error:
            raise InvalidRecordError(f"{value!r} has no UTC time within the years 1 to 9999.") from error
        return utc.isoformat(timespec="microseconds") + "Z"
    if isinstance(value, datetime.time):
        if value.tzinfo is not None:
            raise InvalidRecordError(f"{value!r} has a time zone but no date. Write a datetime or a string.")
        return value.isoformat(timespec="microseconds")
    return value.isoformat()
