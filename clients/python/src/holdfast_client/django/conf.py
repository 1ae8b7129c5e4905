"""The setting HOLDFAST, and the client made from it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from ..client import Holdfast


@dataclass(frozen=True, slots=True)
class Settings:
    """What HOLDFAST may hold. Each name is the key in lower case."""

    url: str = ""
    """Address of Holdfast; else the environment's HOLDFAST_URL."""
    api_key: str = field(default="", repr=False)
    """A producer's key; else the environment's HOLDFAST_API_KEY."""
    timeout: float = 10.0
    """Deadline in seconds of each request to Holdfast, retries included."""
    sweep: str = "auto"
    """What a commit starts: a sweep by `celery`, none (`off`), or `auto`: by Celery where it is set up."""
    keep_records: bool = True
    """Keep each record as it was hashed. Without it, a check says that a row differs, but not where."""
    rpc_urls: tuple[str, ...] = ()
    """JSON-RPC endpoints that you chose. With them a check reads the chain itself."""
    publisher: str | None = None
    """The account that anchors for you."""
    registry: str | None = None
    """The registry's address, if it is not the published one."""
    databases: tuple[str, ...] = ("default",)
    """Databases that hold entries."""


KEYS = {item.name.upper() for item in fields(Settings)}


def read_settings() -> Settings:
    """Reads settings.HOLDFAST and the environment. Raises ImproperlyConfigured."""
    given: Any = getattr(settings, "HOLDFAST", {})
    if not isinstance(given, dict) or set(given) - KEYS:
        raise ImproperlyConfigured(
            f"settings.HOLDFAST is a dict whose keys are among {', '.join(sorted(KEYS))}."
        )
    values: dict[str, Any] = {
        key.lower(): tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    values["url"] = values.get("url") or os.environ.get("HOLDFAST_URL", "")
    values["api_key"] = values.get("api_key") or os.environ.get("HOLDFAST_API_KEY", "")
    if values.get("sweep", "auto") not in ("auto", "celery", "off"):
        raise ImproperlyConfigured('settings.HOLDFAST["SWEEP"] is "auto", "celery" or "off".')
    return Settings(**values)


def get_client() -> Holdfast:
    """Returns the client for the present settings, one for all threads."""
    current = read_settings()
    wanted = (current.url, current.api_key, current.timeout)
    with _lock:
        if wanted not in _clients:
            _clients[wanted] = Holdfast(current.url, current.api_key, timeout=current.timeout)
        return _clients[wanted]


_lock = threading.Lock()
_clients: dict[tuple[str, str, float], Holdfast] = {}


@receiver(setting_changed)
def _forget_clients(*, setting: str, **_: Any) -> None:
    if setting == "HOLDFAST":
        with _lock:
            for client in _clients.values():
                client.close()
            _clients.clear()
