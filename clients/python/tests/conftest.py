from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from holdfast_client.testing import FakeHoldfast
from support.daemon import COMMAND, Daemon, Servers, start_daemon, start_servers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs the real daemon, so that a run can take it or leave it."""
    for item in items:
        if {"servers", "daemon"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.daemon)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and a chain, once for the whole run."""
    if shutil.which("node") is None or not COMMAND.exists():
        if os.environ.get("HOLDFAST_REQUIRE_DAEMON"):
            pytest.fail(f"{COMMAND} is missing: npm ci builds it")
        pytest.skip("no built Holdfast in this repository: the real daemon was not tried")
    running = start_servers()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def daemon(servers: Servers) -> Iterator[Daemon]:
    """The real daemon of this repository, once for the whole run."""
    running = start_daemon(servers, "python_shared")
    yield running
    running.kill()


@pytest.fixture
def fake() -> Iterator[FakeHoldfast]:
    fake = FakeHoldfast()
    yield fake
    fake.close()
