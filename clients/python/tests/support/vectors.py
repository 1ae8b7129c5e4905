"""The golden vectors of the repository."""

from __future__ import annotations

import json
from typing import Any

from .daemon import REPOSITORY


def canonical() -> dict[str, Any]:
    return _read("canonical.json")


def receipt() -> dict[str, Any]:
    return _read("receipt.json")


def _read(name: str) -> dict[str, Any]:
    return json.loads((REPOSITORY / "test/vectors" / name).read_bytes())
