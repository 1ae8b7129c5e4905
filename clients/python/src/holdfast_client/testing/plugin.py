"""pytest plugin, loaded wherever the package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .fake import FakeHoldfast


@pytest.fixture
def fake_holdfast(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHoldfast]:
    """A FakeHoldfast for one test. HOLDFAST_URL, HOLDFAST_API_KEY and Django's settings lead to it."""
    from .fake import FakeHoldfast

    fake = FakeHoldfast()
    monkeypatch.setenv("HOLDFAST_URL", fake.url)
    monkeypatch.setenv("HOLDFAST_API_KEY", fake.api_key)
    with _django_settings(fake):
        yield fake
    fake.close()


def _django_settings(fake: FakeHoldfast) -> AbstractContextManager[Any]:
    """Leads settings.HOLDFAST to the fake and its chain, where Django is set up."""
    try:
        from django.conf import settings
        from django.test.utils import override_settings
    except ModuleNotFoundError:
        return nullcontext()
    if not settings.configured:
        return nullcontext()
    ours = {
        "URL": fake.url,
        "API_KEY": fake.api_key,
        "RPC_URLS": [fake.rpc_url],
        "PUBLISHER": fake.publisher,
        "REGISTRY": None,
    }
    return override_settings(HOLDFAST={**getattr(settings, "HOLDFAST", {}), **ours})
