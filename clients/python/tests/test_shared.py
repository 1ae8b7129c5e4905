"""One suite for the fake and the real daemon, and for both clients."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from holdfast_client import (
    AsyncHoldfast,
    Holdfast,
    InvalidInputError,
    NotYetError,
    RefusedError,
    UnauthorizedError,
    hash_record,
)


@dataclass
class Backend:
    url: str
    api_key: str
    rpc_url: str
    anchored: Callable[[], None]
    """Lets what was pushed be anchored, soon."""
    finalized: Callable[[], None]


@pytest.fixture(params=["fake", pytest.param("daemon", marks=pytest.mark.daemon)])
def backend(request):
    if request.param == "daemon":
        running = request.getfixturevalue("daemon")
        return Backend(running.url, running.api_key, running.rpc_url, lambda: None, lambda: running.mine(10))
    fake = request.getfixturevalue("fake")
    return Backend(fake.url, fake.api_key, fake.rpc_url, fake.anchor, fake.finalize)


class Blocking:
    """Gives AsyncHoldfast the face of Holdfast, so that one suite drives both."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self._runner = asyncio.Runner() if hasattr(asyncio, "Runner") else None
        self._loop = self._runner.get_loop() if self._runner else asyncio.new_event_loop()
        self._client = AsyncHoldfast(url, api_key)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args, **kwargs):
            result = method(*args, **kwargs)
            if hasattr(result, "__aiter__"):
                return self._loop.run_until_complete(self._all(result))
            return self._loop.run_until_complete(result)

        return call

    async def _all(self, results):
        return [result async for result in results]

    def close(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


@pytest.fixture(params=[Holdfast, Blocking], ids=["threads", "asyncio"])
def make_client(request):
    made = []

    def make(url, api_key=None):
        made.append(request.param(url, api_key))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(backend, make_client):
    return make_client(backend.url, backend.api_key)


def fresh(count: int = 1) -> list[str]:
    return ["0x" + os.urandom(32).hex() for _ in range(count)]


def test_one_hash_is_stored_in_every_spelling(client):
    (hash_,) = fresh()
    for spelling in (hash_, hash_[2:], hash_.upper().replace("0X", "0x"), bytes.fromhex(hash_[2:])):
        pushed = client.push(spelling)
        assert pushed.hash == hash_
        assert pushed.received_at.tzinfo is not None
        assert pushed.anchor_by > pushed.received_at


def test_many_hashes_are_stored_in_their_order(client):
    hashes = fresh(20_000)
    assert client.push(iter(hashes)).hashes == tuple(hashes)


def test_a_stream_yields_each_slice_once_it_is_stored(client):
    hashes = fresh(25)
    stored = [pushed.hashes for pushed in client.push_stream(iter(hashes), slice_size=10)]
    assert [len(part) for part in stored] == [10, 10, 5]
    assert [hash_ for part in stored for hash_ in part] == hashes


def test_records_and_files_are_hashed_here(client, tmp_path):
    records = [{"shipment": "S-2047", "salt": os.urandom(8).hex()}, {"n": [1, 2.5, None]}]
    assert client.push_records(records).hashes == tuple(map(hash_record, records))
    assert client.push_record(records[0]).hash == hash_record(records[0])
    path = tmp_path / "certificate.pdf"
    path.write_bytes(os.urandom(100_000))
    assert client.push_file(path).hash == "0x" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_nothing_is_sent_when_an_item_is_no_hash(client):
    good = fresh(2)
    for bad in ("zz", "0x12", b"\0" * 31, b"\0" * 64, "0x" + "٣" * 64, 7, None, good[0] + "\n"):
        with pytest.raises(InvalidInputError) as caught:
            client.push([*good, bad])
        assert caught.value.stored == 0
        assert "Item 2" in str(caught.value)
    assert {found.status for found in client.receipts(good)} == {"unknown"}
    with pytest.raises(InvalidInputError, match="No hash"):
        client.push([])
    assert list(client.push_stream([])) == []


def test_an_unknown_hash_has_status_unknown_and_no_receipt(client):
    (hash_,) = fresh()
    assert client.status(hash_).status == "unknown"
    assert client.receipt(hash_) is None
    assert [(found.status, found.receipt) for found in client.receipts([hash_])] == [("unknown", None)]
    with pytest.raises(NotYetError, match="was it pushed") as caught:
        client.wait_for(hash_, timeout=1)
    assert caught.value.status == "unknown"


def test_a_hash_goes_from_stored_to_a_receipt(client, backend):
    (hash_,) = fresh()
    client.push(hash_)
    backend.anchored()
    receipt = client.wait_for(hash_, timeout=60)
    assert receipt["hash"] == hash_
    status = client.status(hash_)
    assert status.reached("anchored")
    assert status.batch_id == receipt["batch"]["id"]
    assert status.leaf_index == receipt["batch"]["leafIndex"]
    assert client.receipt(hash_)["leaf"] == receipt["leaf"]
    backend.finalized()
    assert client.wait_for(hash_, "finalized", timeout=90)["hash"] == hash_
    (found,) = client.receipts([hash_])
    assert (found.status, found.receipt["hash"]) == ("finalized", hash_)


def test_receipts_of_any_number_come_in_order_without_one_missing(client, backend):
    hashes = fresh(2_500)
    client.push(hashes)
    missing = fresh(1)
    backend.anchored()
    client.wait_for(hashes[-1], timeout=60)
    asked = [*hashes[:1_500], *missing, *hashes[1_500:]]
    found = list(client.receipts(iter(asked)))
    assert [one.hash for one in found] == asked
    assert [one.receipt is None for one in found] == [hash_ in missing for hash_ in asked]


def test_a_wrong_key_is_refused_at_once(backend, make_client):
    for key in (None, "hf_wrong"):
        with pytest.raises(UnauthorizedError) as caught:
            make_client(backend.url, key).push(fresh())
        assert caught.value.code == "UNAUTHORIZED"
        assert isinstance(caught.value, RefusedError)
