"""Batchers: one future a hash, done only when it is stored; a bounded buffer."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time

import pytest

from holdfast_client import AsyncBatcher, Batcher, BatcherClosedError, InvalidInputError, UnavailableError


def fresh(count: int) -> list[str]:
    return ["0x" + os.urandom(32).hex() for _ in range(count)]


def test_many_threads_become_few_requests(fake):
    hashes = fresh(400)
    requests = []
    client = fake.client()
    push = client.push
    client.push = lambda batch, **options: requests.append(len(batch)) or push(batch, **options)
    with Batcher(client, max_delay=0.2) as batcher:
        futures = {}

        def work(part):
            for hash_ in part:
                futures[hash_] = batcher.submit(hash_)

        threads = [threading.Thread(target=work, args=(hashes[i::8],)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(future.result(5).hash == hash_ for hash_, future in futures.items())
    assert sorted(fake.hashes) == sorted(hashes)
    assert len(requests) < 20


def test_a_future_has_the_error_when_its_hash_was_not_stored_and_close_raises_it(fake):
    fake.down = True
    batcher = Batcher(fake.client(timeout=0.2))
    future = batcher.submit(fresh(1)[0])
    with pytest.raises(UnavailableError):
        future.result(5)
    fake.down = False
    good = batcher.submit(fresh(1)[0])
    stored = good.result(5).hash
    assert fake.hashes == [stored]
    with pytest.raises(UnavailableError):
        batcher.close()
    batcher.close()


def test_an_outage_shorter_than_the_deadline_is_not_seen(fake):
    fake.down = True
    hashes = fresh(50)
    with Batcher(fake.client(timeout=20)) as batcher:
        futures = [batcher.submit(hash_) for hash_ in hashes]
        threading.Timer(0.5, setattr, (fake, "down", False)).start()
        assert [future.result(20).hash for future in futures] == hashes


def test_a_full_buffer_blocks_and_then_says_so(fake):
    fake.down = True
    batcher = Batcher(fake.client(timeout=30), max_pending=3, max_delay=0)
    futures = [batcher.submit(hash_) for hash_ in fresh(3)]
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="3 hashes wait already"):
        batcher.submit(fresh(1)[0], timeout=0.2)
    assert time.monotonic() - began >= 0.2
    fake.down = False
    futures.append(batcher.submit(fresh(1)[0], timeout=20))
    assert len({future.result(20).hash for future in futures}) == 4
    batcher.close()


def test_a_closed_batcher_takes_nothing_and_a_wrong_hash_is_the_callers_error(fake):
    batcher = Batcher(fake.client())
    with pytest.raises(InvalidInputError):
        batcher.submit("zz")
    batcher.close()
    with pytest.raises(BatcherClosedError):
        batcher.submit(fresh(1)[0])


def test_flush_waits_for_what_was_submitted(fake):
    with Batcher(fake.client(), max_delay=60) as batcher:
        (hash_,) = fresh(1)
        batcher.submit(hash_)
        batcher.flush()
        assert fake.hashes == [hash_]


def test_the_end_of_the_process_sends_what_waits(fake):
    program = (
        "from holdfast_client import Batcher, Holdfast\n"
        f"batcher = Batcher(Holdfast({fake.url!r}, {fake.api_key!r}), max_delay=60)\n"
        "batcher.submit('ab' * 32)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    assert fake.hashes == ["0x" + "ab" * 32]


def test_tasks_become_few_requests(fake):
    hashes = fresh(500)

    async def main():
        async with AsyncBatcher(fake.async_client(), max_delay=0.05) as batcher:

            async def one(hash_):
                return (await (await batcher.submit(hash_))).hash

            return await asyncio.gather(*map(one, hashes))

    assert asyncio.run(main()) == hashes
    assert sorted(fake.hashes) == sorted(hashes)


def test_the_async_batcher_bounds_its_buffer_and_reports_what_was_not_stored(fake):
    async def main():
        batcher = AsyncBatcher(fake.async_client(timeout=0.5), max_pending=3, max_delay=0)
        fake.down = True
        futures = [await batcher.submit(hash_) for hash_ in fresh(3)]
        with pytest.raises(UnavailableError, match="3 hashes wait"):
            await batcher.submit(fresh(1)[0], timeout=0.1)
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert all(isinstance(outcome, UnavailableError) for outcome in outcomes)
        with pytest.raises(UnavailableError):
            await batcher.flush()
        fake.down = False
        stored = await asyncio.gather(*[await batcher.submit(hash_) for hash_ in fresh(3)])
        assert len(stored) == 3
        await batcher.close()
        with pytest.raises(BatcherClosedError):
            await batcher.submit(fresh(1)[0])

    asyncio.run(main())


def test_waiting_submitters_never_go_past_the_bound(fake):
    async def main():
        batcher = AsyncBatcher(fake.async_client(timeout=20), max_pending=5, max_delay=0)
        most = 0

        async def one(hash_):
            nonlocal most
            future = await batcher.submit(hash_)
            most = max(most, len(batcher._waiting) + batcher._in_flight)
            await future

        await asyncio.gather(*map(one, fresh(200)))
        await batcher.close()
        return most

    assert asyncio.run(main()) <= 5
