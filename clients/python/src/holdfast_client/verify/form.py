"""The form of a receipt, as docs/receipt-format.md says: one spelling for each value, nothing missing,
nothing more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NoReturn

from ..hashing import keccak256

FORMAT = "holdfast-receipt/1"
TREE = "holdfast-keccak-v1"

MAX_CHARACTERS = 1_048_576
MAX_INTEGER = 2**53 - 1
MAX_BATCH_ID = 2**63 - 1
MAX_ANCHORS = 32
MAX_PATH = 64

_HASH = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)
_DIGITS = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)

_TOP_KEYS = {"format", "tree", "hash", "receivedAt", "leaf", "batch", "path", "anchors"}
_BATCH_KEYS = {"id", "leafIndex", "leafCount", "root"}
_ANCHOR_KEYS = {
    "chainId", "registry", "publisher", "root", "path",
    "transactionHash", "blockNumber", "blockHash", "blockTime", "status",
}  # fmt: skip


class FormError(ValueError):
    """The document is not a receipt. The message says where and why."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One anchor. Times are milliseconds since 1970."""

    chain_id: int
    registry: str
    publisher: str
    root: bytes
    path: tuple[bytes, ...]
    transaction_hash: str
    block_number: int
    block_hash: str
    block_time_text: str
    block_time: int

    @property
    def chain(self) -> str:
        return f"eip155:{self.chain_id}"


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """A receipt whose form is right. Nothing else is checked."""

    hash: bytes
    received_at: int
    leaf: bytes
    leaf_index: int
    leaf_count: int
    batch_root: bytes
    path: tuple[bytes, ...]
    anchors: tuple[Anchor, ...]


def read_receipt(document: str | bytes | Mapping[str, Any]) -> CheckedReceipt:
    """Reads a receipt: a JSON text, its octets in UTF-8, or the parsed value. Raises FormError."""
    value = _parse(document) if isinstance(document, str | bytes | bytearray | memoryview) else document
    top = _object(value, _TOP_KEYS, "")
    if top["format"] != FORMAT:
        _fail("/format", f"is not {FORMAT!r}")
    if top["tree"] != TREE:
        _fail("/tree", f"is not {TREE!r}")
    batch = _object(top["batch"], _BATCH_KEYS, "/batch")
    if int(_match(_DIGITS, batch["id"], "/batch/id", "decimal digits")) > MAX_BATCH_ID:
        _fail("/batch/id", "is beyond 2^63 - 1")
    leaf_index = _integer(batch["leafIndex"], "/batch/leafIndex")
    leaf_count = _integer(batch["leafCount"], "/batch/leafCount")
    if leaf_index >= leaf_count:
        _fail("/batch/leafIndex", "is not less than leafCount")
    path = _path(top["path"], "/path")
    return CheckedReceipt(
        hash=_hash(top["hash"], "/hash"),
        received_at=_time(top["receivedAt"], "/receivedAt"),
        leaf=_hash(top["leaf"], "/leaf"),
        leaf_index=leaf_index,
        leaf_count=leaf_count,
        batch_root=_hash(batch["root"], "/batch/root"),
        path=path,
        anchors=_anchors(top["anchors"], len(path)),
    )


def _parse(text: str | bytes | bytearray | memoryview) -> Any:
    if not isinstance(text, str):
        try:
            text = bytes(text).decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormError("The document is not UTF-8.") from error
    if len(text) > MAX_CHARACTERS:
        raise FormError(f"The document is longer than {MAX_CHARACTERS:,} characters.")
    if "\\" in text:
        raise FormError("The document holds a backslash, which occurs in no receipt.")
    try:
        return json.loads(
            text,
            object_pairs_hook=_members,
            parse_int=_literal,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except FormError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormError(f"The document is not JSON: {error}") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise FormError("An object holds a key twice.")
    return members


def _literal(text: str) -> int:
    if text.startswith("-") or len(text) > 16:
        raise FormError(f"{text[:20]} is not an integer from 0 to 2^53 - 1.")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise FormError(f"{text[:20]} is not an integer written as digits only.")


def _anchors(value: Any, path_length: int) -> tuple[Anchor, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_ANCHORS:
        _fail("/anchors", f"is not an array of 1 to {MAX_ANCHORS}")
    anchors = tuple(_anchor(item, f"/anchors/{index}") for index, item in enumerate(value))
    if len({(anchor.chain_id, anchor.registry, anchor.publisher, anchor.root) for anchor in anchors}) != len(
        anchors
    ):
        _fail("/anchors", "holds the same chainId, registry, publisher and root twice")
    for index, anchor in enumerate(anchors):
        if path_length + len(anchor.path) > MAX_PATH:
            _fail(f"/anchors/{index}/path", f"makes a path longer than {MAX_PATH}")
    return anchors


def _anchor(value: Any, at: str) -> Anchor:
    item = _object(value, _ANCHOR_KEYS, at)
    if item["status"] not in ("mined", "finalized"):
        _fail(f"{at}/status", 'is not "mined" or "finalized"')
    time = item["blockTime"]
    return Anchor(
        chain_id=_chain_id(item["chainId"], f"{at}/chainId"),
        registry=_address(item["registry"], f"{at}/registry"),
        publisher=_address(item["publisher"], f"{at}/publisher"),
        root=_hash(item["root"], f"{at}/root"),
        path=_path(item["path"], f"{at}/path"),
        transaction_hash="0x" + _hash(item["transactionHash"], f"{at}/transactionHash").hex(),
        block_number=_integer(item["blockNumber"], f"{at}/blockNumber"),
        block_hash="0x" + _hash(item["blockHash"], f"{at}/blockHash").hex(),
        block_time_text=str(time),
        block_time=_time(time, f"{at}/blockTime"),
    )


def _object(value: Any, keys: set[str], at: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        _fail(at, "is not an object")
    found = set(value)
    if found != keys:
        missing, more = keys - found, found - keys
        _fail(at, f"lacks {min(missing)!r}" if missing else f"holds {min(map(repr, more))} too")
    return value


def _match(pattern: re.Pattern[str], value: Any, at: str, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _fail(at, f"is not {what}")
    return value


def _hash(value: Any, at: str) -> bytes:
    return bytes.fromhex(_match(_HASH, value, at, "0x and 64 lower-case hex digits")[2:])


def _path(value: Any, at: str) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        _fail(at, "is not an array")
    if len(value) > MAX_PATH:
        _fail(at, f"is longer than {MAX_PATH}")
    return tuple([_hash(item, f"{at}/{index}") for index, item in enumerate(value)])


def _integer(value: Any, at: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        _fail(at, "is not an integer from 0 to 2^53 - 1")
    return value


def _chain_id(value: Any, at: str) -> int:
    what = '"eip155:" and a decimal number from 1 to 2^53 - 1'
    prefix, _, digits = value.partition(":") if isinstance(value, str) else ("", "", "")
    number = int(_match(_DIGITS, digits, at, what))
    if prefix != "eip155" or not 1 <= number <= MAX_INTEGER:
        _fail(at, f"is not {what}")
    return number


def _address(value: Any, at: str) -> str:
    address = _match(_ADDRESS, value, at, "0x and 40 hex digits")
    if address != checksum_address(address):
        _fail(at, "has not the case of its EIP-55 checksum")
    return address


@lru_cache(maxsize=4096)
def checksum_address(address: str) -> str:
    """Returns an address, `0x` and 40 hex digits in any case, with the case of its EIP-55 checksum."""
    digits = address[2:].lower()
    nibbles = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit
        for digit, nibble in zip(digits, nibbles, strict=False)
    )


def _time(value: Any, at: str) -> int:
    milliseconds = time_milliseconds(value) if isinstance(value, str) else None
    if milliseconds is None:
        _fail(at, "is not a time like 2026-01-31T09:30:00.000Z in the years 1970 to 9999")
    return milliseconds


@lru_cache(maxsize=4096)
def time_milliseconds(text: str) -> int | None:
    """Returns milliseconds since 1970 of a time as receipts write it; None for what is none."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, thousandths = map(int, match.groups())
    try:
        when = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        return None
    return int(when.timestamp()) * 1000 + thousandths if year >= 1970 else None


def _fail(at: str, why: str) -> NoReturn:
    raise FormError(f"{at or 'The document'} {why}.")
