"""JSON records: canonical form (RFC 8785), hash, and a reader that accepts what Holdfast accepts."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import re
import uuid
from typing import Any, NoReturn

import rfc8785

from .encoders import Encoder
from .errors import InvalidRecordError
from .hashing import hash_content

MAX_DEPTH = 256
MAX_INTEGER = 2**53 - 1

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def hash_record(record: Any, *, encoder: Encoder | None = None) -> str:
    """Returns the hash that anchors a JSON record: SHA-256 of its canonical form.

    Takes dict, list, tuple, str, bool, None, int within ±(2^53 - 1) and finite float. Refuses every other
    value with InvalidRecordError, unless `encoder` writes it: `text_encoder` knows Decimal, datetime, UUID
    and others.
    """
    return hash_content(canonical_record(record, encoder=encoder))


def canonical_record(record: Any, *, encoder: Encoder | None = None) -> bytes:
    """Returns the RFC 8785 form of a record, in UTF-8. Raises InvalidRecordError, as hash_record does."""
    return rfc8785.dumps(plain_record(record, encoder=encoder))


def plain_record(record: Any, *, encoder: Encoder | None = None) -> Any:
    """Returns the record made of plain JSON types alone, each one with a canonical form."""
    return _plain(record, encoder, "$", 0)


def parse_record(text: str | bytes) -> Any:
    """Reads a JSON text under Holdfast's rules, so that every reader sees the same record.

    Refuses, with InvalidRecordError: a key twice in an object, half a surrogate pair, a number that a double
    cannot hold, more than 256 levels, a byte order mark, and whatever RFC 8259 does not allow.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise InvalidRecordError(f"The JSON text is not UTF-8: byte {error.start} is wrong.") from error
    except json.JSONDecodeError as error:
        raise InvalidRecordError(f"Not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidRecordError(f"The JSON is nested deeper than {MAX_DEPTH} levels.") from error
    return plain_record(value)


def _plain(value: Any, encoder: Encoder | None, at: str, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if isinstance(value, str):
        return _text(value, at)
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, dict | list | tuple):
        if depth == MAX_DEPTH:
            raise InvalidRecordError(f"{_short(at)} is nested deeper than {MAX_DEPTH} levels.")
        if isinstance(value, dict):
            return {
                _key(key, at): _plain(item, encoder, _member(at, key), depth + 1)
                for key, item in value.items()
            }
        return [_plain(item, encoder, f"{at}[{index}]", depth + 1) for index, item in enumerate(value)]
    return _encoded(value, encoder, at, depth)


def _encoded(value: Any, encoder: Encoder | None, at: str, depth: int) -> Any:
    if encoder is None or isinstance(value, float):
        _refuse(value, at)
    try:
        written = encoder(value)
    except InvalidRecordError as error:
        raise InvalidRecordError(f"{_short(at)}: {error}") from error
    if written is NotImplemented or written is value:
        _refuse(value, at)
    return _plain(written, encoder if isinstance(value, enum.Enum) else None, at, depth)


def _text(value: str, at: str) -> str:
    text = str.__str__(value)
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidRecordError(
                f"{_short(at)} holds half of a surrogate pair, which is no character."
            ) from error
    return text


def _key(key: Any, at: str) -> str:
    if not isinstance(key, str):
        raise InvalidRecordError(f"{_short(at)} has the key {key!r}; a JSON key is a string: write str(key).")
    return _text(key, at)


def _member(at: str, key: Any) -> str:
    plain = isinstance(key, str) and _PLAIN_KEY.fullmatch(key)
    return f"{at}.{key}" if plain else f"{at}[{key!r}]"


def _short(at: str) -> str:
    return at if len(at) <= 120 else at[:117] + "…"


def _refuse(value: Any, at: str) -> NoReturn:
    known = "or pass encoder=text_encoder, which writes it as text"
    if isinstance(value, float):
        what = f"{value!r} has no JSON form. Write None, or leave the key out"
    elif isinstance(value, int):
        what = f"an integer beyond ±(2^53 - 1), which JSON readers round. Write str(value), {known}"
    elif isinstance(value, decimal.Decimal):
        what = f"{value!r} is not JSON, and a float may round it. Write str(value), {known}"
    elif isinstance(value, datetime.datetime):
        what = f"{value!r} is not JSON. Write a string in UTC, {known}"
    elif isinstance(
        value, datetime.date | datetime.time | datetime.timedelta | uuid.UUID | bytes | enum.Enum
    ):
        what = f"{value!r} is not JSON. Write a string, {known}"
    else:
        what = f"a value of type {type(value).__name__} is not JSON. Write a dict, list, string or number"
    raise InvalidRecordError(f"{_short(at)}: {what}.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidRecordError(f"The key {twice!r} is twice in one object.")
    return members


def _integer(literal: str) -> int:
    if len(literal) <= 17 and abs(int(literal)) <= MAX_INTEGER:
        return int(literal)
    raise InvalidRecordError(
        f"{literal[:40]} is beyond ±(2^53 - 1), which JSON readers round. Write it as a string."
    )


def _number(literal: str) -> float:
    value = float(literal)
    try:
        exact = math.isfinite(value) and decimal.Decimal(literal) == decimal.Decimal(repr(value))
    except decimal.DecimalException:
        exact = False
    if not exact:
        raise InvalidRecordError(f"A double cannot hold {literal[:40]} exactly. Write it as a string.")
    return value


def _constant(literal: str) -> NoReturn:
    raise InvalidRecordError(f"{literal} is not JSON.")
