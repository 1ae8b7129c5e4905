"""Hashes of records: the golden vectors, and what is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import hashlib
import json
import math
import struct
import uuid

import pytest

from holdfast_client import InvalidRecordError, canonical_record, hash_record, parse_record, text_encoder
from support.vectors import canonical

VECTORS = canonical()


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_a_text_has_the_canonical_form_and_hash_of_the_vectors(case):
    record = parse_record(case["text"])
    assert canonical_record(record).decode() == case["canonical"]
    assert hash_record(record) == "0x" + case["sha256"]


@pytest.mark.parametrize("case", VECTORS["numbers"], ids=lambda case: case["ieee754"])
def test_a_double_is_written_as_in_rfc_8785(case):
    (number,) = struct.unpack(">d", bytes.fromhex(case["ieee754"]))
    if case.get("canonical") is None:
        assert not math.isfinite(number)
        with pytest.raises(InvalidRecordError):
            canonical_record(number)
    else:
        assert canonical_record(number).decode() == case["canonical"]


@pytest.mark.parametrize("case", VECTORS["rejected"], ids=lambda case: repr(case["text"])[:30])
def test_a_text_that_holdfast_refuses_is_refused(case):
    with pytest.raises(InvalidRecordError):
        parse_record(case["text"])
    with pytest.raises(InvalidRecordError):
        parse_record(case["text"].encode("utf-8", "surrogatepass"))


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_256_levels_are_a_record_and_257_are_not():
    assert canonical_record(parse_record(nested(256))).decode() == nested(256)
    for levels in (257, 5_000, 200_000):
        with pytest.raises(InvalidRecordError):
            parse_record(nested(levels))


class Colour(enum.Enum):
    RED = "red"


class Text(str, enum.Enum):
    GREEN = "green"


REFUSED = [
    (decimal.Decimal("1.50"), "Write str(value), or pass encoder=text_encoder"),
    (
        dt.datetime(2026, 1, 31, 9, 30, tzinfo=dt.timezone.utc),
        "Write a string in UTC, or pass encoder=text_encoder",
    ),
    (dt.date(2026, 1, 31), "encoder=text_encoder"),
    (uuid.UUID(int=7), "encoder=text_encoder"),
    (2**53, "beyond ±(2^53 - 1)"),
    (-(2**53), "beyond ±(2^53 - 1)"),
    (math.nan, "Write None, or leave the key out"),
    (math.inf, "Write None, or leave the key out"),
    (Colour.RED, "encoder=text_encoder"),
    (b"\x00", "encoder=text_encoder"),
    ({1, 2}, "type set"),
    (object(), "type object"),
    ("\ud800", "surrogate"),
]


@pytest.mark.parametrize(("value", "sentence"), REFUSED, ids=lambda value: repr(value)[:30])
def test_what_json_lacks_is_refused_with_its_place_and_what_to_do(value, sentence):
    with pytest.raises(InvalidRecordError) as caught:
        hash_record({"items": [1, {"odd one": value}]})
    assert sentence in str(caught.value)
    assert "$.items[1]['odd one']" in str(caught.value)


def test_a_key_that_is_no_string_is_refused():
    with pytest.raises(InvalidRecordError, match=r"write str\(key\)"):
        hash_record({"a": {1: 2}})


def test_a_record_that_holds_itself_is_refused():
    record: list = []
    record.append(record)
    with pytest.raises(InvalidRecordError, match="nested"):
        hash_record(record)


ENCODED = [
    (decimal.Decimal("1.50"), '"1.5"'),
    (decimal.Decimal("1E+3"), '"1000"'),
    (decimal.Decimal("-0.00"), '"0"'),
    (decimal.Decimal("0"), '"0"'),
    (decimal.Decimal("100"), '"100"'),
    (decimal.Decimal("12345678901234567890123456789012345.67"), '"12345678901234567890123456789012345.67"'),
    (decimal.Decimal("1E-7"), '"0.0000001"'),
    (2**53, '"9007199254740992"'),
    (2**53 - 1, "9007199254740991"),
    (dt.datetime(2026, 1, 31, 9, 30, tzinfo=dt.timezone.utc), '"2026-01-31T09:30:00.000000Z"'),
    (
        dt.datetime(2026, 1, 31, 9, 30, 0, 5, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        '"2026-01-31T07:30:00.000005Z"',
    ),
    (dt.date(2026, 1, 31), '"2026-01-31"'),
    (dt.time(9, 30), '"09:30:00.000000"'),
    (dt.timedelta(days=1, microseconds=-1), '"86399.999999"'),
    (dt.timedelta(days=-1), '"-86400"'),
    (uuid.UUID("ABCDEF00-0000-0000-0000-000000000001"), '"abcdef00-0000-0000-0000-000000000001"'),
    (b"\x00\xff", '"0x00ff"'),
    (Colour.RED, '"red"'),
    (Text.GREEN, '"green"'),
    ((1, 2), "[1,2]"),
]


@pytest.mark.parametrize(("value", "text"), ENCODED, ids=lambda value: repr(value)[:40])
def test_the_text_encoder_writes(value, text):
    assert canonical_record({"v": value}, encoder=text_encoder).decode() == f'{{"v":{text}}}'


UNENCODABLE = [
    decimal.Decimal("NaN"),
    decimal.Decimal("Infinity"),
    decimal.Decimal("1E+5000"),
    decimal.Decimal("1E-5000"),
    10**5000,
    dt.datetime(2026, 1, 31, 9, 30),  # noqa: DTZ001
    dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=2))),
    dt.time(9, 30, tzinfo=dt.timezone.utc),
    math.nan,
    {1, 2},
]


@pytest.mark.parametrize(
    "value", UNENCODABLE, ids=lambda value: repr(value)[:40] if not isinstance(value, int) else ""
)
def test_the_text_encoder_refuses_with_the_place(value):
    with pytest.raises(InvalidRecordError, match=r"\$\.a\[0\]"):
        canonical_record({"a": [value]}, encoder=text_encoder)


def test_equal_decimals_have_equal_hashes():
    one, other = decimal.Decimal("4800.0"), decimal.Decimal("4.8E+3")
    assert hash_record({"n": one}, encoder=text_encoder) == hash_record({"n": other}, encoder=text_encoder)


def test_json_dumps_is_another_form():
    record = {"b": 1.0, "a": "ü"}
    ours = canonical_record(record)
    assert ours != json.dumps(record, sort_keys=True).encode()
    assert hash_record(record) == "0x" + hashlib.sha256(ours).hexdigest()
