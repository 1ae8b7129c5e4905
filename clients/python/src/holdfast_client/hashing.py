"""32-byte hashes: how they are read, written and made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from Crypto.Hash import keccak

from .errors import InvalidInputError

Hash: TypeAlias = str | bytes | bytearray | memoryview
"""64 hex digits in any case, with or without `0x`; or 32 bytes."""

_HEX = re.compile(r"(?:0x|0X)?([0-9a-fA-F]{64})", re.ASCII)


def hash_bytes(value: Hash, *, index: int | None = None) -> bytes:
    """Returns the 32 bytes of a hash.

    Raises InvalidInputError; `index` names the item in its message.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        if len(value) == 32:
            return bytes(value)
        found = f"{len(value)} bytes"
    elif isinstance(value, str):
        match = _HEX.fullmatch(value)
        if match:
            return bytes.fromhex(match[1])
        found = repr(value if len(value) <= 80 else value[:77] + "…")
    else:
        found = f"a value of type {type(value).__name__}"
    place = "" if index is None else f"Item {index}: "
    raise InvalidInputError(
        f"{place}{found} is not a hash; give 64 hex digits, with or without 0x, or 32 bytes."
    )


def hash_text(value: Hash) -> str:
    """Returns the hash as Holdfast writes it: `0x` and 64 lower-case hex digits."""
    return "0x" + hash_bytes(value).hex()


def numbered_hashes(values: Iterable[Hash]) -> Iterator[bytes]:
    """Reads hashes one by one. An error names the 0-based position of the value."""
    for index, value in enumerate(values):
        yield hash_bytes(value, index=index)


def hash_content(content: bytes) -> str:
    """Returns the SHA-256 of the octets, as a hash text."""
    return "0x" + hashlib.sha256(content).hexdigest()


def hash_file(path: str | PathLike[str]) -> str:
    """Returns the SHA-256 of a file's octets. Reads 1 MiB at a time. Raises OSError."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return "0x" + digest.hexdigest()


def keccak256(data: bytes) -> bytes:
    """Ethereum's Keccak-256 (padding 0x01), which is not NIST's SHA3-256."""
    return keccak.new(digest_bits=256, data=data).digest()
