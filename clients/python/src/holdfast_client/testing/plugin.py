"""pytest plugin, loaded wherever the package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

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
    yield fake
    fake.close()
