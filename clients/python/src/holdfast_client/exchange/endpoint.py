"""Where Holdfast is and what every request carries."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import InvalidInputError

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A parsed base URL. `path` has no trailing slash; the headers hold the key, so they are not shown."""

    https: bool
    host: str
    port: int
    path: str
    headers: dict[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.https else 'http'}://{host}:{self.port}{self.path}"


def read_endpoint(url: str | None, api_key: str | None) -> Endpoint:
    """Reads URL and key; what is None comes from HOLDFAST_URL and HOLDFAST_API_KEY. The key may be missing.

    Raises InvalidInputError, whose message does not hold the key.
    """
    url = url or os.environ.get("HOLDFAST_URL") or ""
    api_key = api_key or os.environ.get("HOLDFAST_API_KEY") or None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InvalidInputError(
            f"{_without_secrets(url)!r} is not Holdfast's address. Give url, or set HOLDFAST_URL: https://holdfast.example."
        )
    if parts.username or parts.password:
        raise InvalidInputError("The address holds a user or a password. Give Holdfast's key as api_key.")
    headers = {
        "accept": "application/json, application/x-ndjson, application/problem+json",
        "accept-encoding": "identity",
        "user-agent": f"holdfast-client-python/{VERSION}",
    }
    if api_key is not None:
        key = api_key.strip()
        if not key.isascii() or not key.isprintable() or " " in key:
            raise InvalidInputError(
                "The API key holds a space, a control character or a non-ASCII character."
            )
        headers["authorization"] = f"Bearer {key}"
    https = parts.scheme == "https"
    return Endpoint(https, parts.hostname, port or (443 if https else 80), parts.path.rstrip("/"), headers)


def _without_secrets(url: str) -> str:
    return url.split("@")[-1]
