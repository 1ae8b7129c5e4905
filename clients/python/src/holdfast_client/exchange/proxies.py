"""HTTP proxies from the environment: HTTP_PROXY, HTTPS_PROXY, NO_PROXY in either case."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from ..errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Proxy:
    host: str
    port: int
    headers: dict[str, str] = field(repr=False)


def proxy_for(*, https: bool, host: str) -> Proxy | None:
    """Returns the proxy for a host, or None. Raises InvalidInputError for one that is not
    http://host:port.
    """
    proxies: dict[str, str] = getproxies_environment()
    url = proxies.get("https" if https else "http") or proxies.get("all")
    if not url or proxy_bypass_environment(host, proxies):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise InvalidInputError(
            "The proxy of the environment is not http://host:port; set NO_PROXY to go without it."
        )
    headers = {}
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["proxy-authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    return Proxy(parts.hostname, parts.port or 80, headers)
