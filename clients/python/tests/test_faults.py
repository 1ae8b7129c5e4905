"""What the client makes of servers that lie, lag, break or never finish. Each fault in its pairs."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import threading
import time

import pytest

from holdfast_client import (
    AsyncHoldfast,
    Holdfast,
    InvalidInputError,
    RefusedError,
    UnavailableError,
    UnexpectedAnswerError,
)
from support.servers import answer, hang_up, in_turn, raw, scripted_server

HASH = "0x" + "ab" * 32
OTHER = "0x" + "cd" * 32
STORED = json.dumps(
    {"accepted": 1, "receivedAt": "2026-01-31T09:30:00.000Z", "anchorBy": None, "hash": HASH}
).encode()
PROBLEM = json.dumps(
    {"type": "urn:x", "title": "t", "status": 503, "detail": "too much waits", "code": "OVERLOADED"}
).encode()


def push_in_thread(url: str, hashes, timeout: float):
    with Holdfast(url, "hf_key", timeout=timeout) as client:
        return client.push(hashes)


def push_in_loop(url: str, hashes, timeout: float):
    async def push():
        async with AsyncHoldfast(url, "hf_key", timeout=timeout) as client:
            return await client.push(hashes)

    return asyncio.run(push())


both = pytest.mark.parametrize("push", [push_in_thread, push_in_loop], ids=["threads", "asyncio"])

CUT = {
    "hangs up without an answer": hang_up,
    "cut off in the headers": raw(b"HTTP/1.1 202 Accep"),
    "cut off in the body": raw(b"HTTP/1.1 202 Accepted\r\ncontent-length: 200\r\n\r\n" + STORED[:50]),
    "cut off in a chunk": raw(
        b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n40\r\n" + STORED[:30]
    ),
    "not HTTP": raw(b"SSH-2.0-OpenSSH\r\n\r\n"),
}
LASTING = {
    **CUT,
    "503": answer(503, PROBLEM, kind="application/problem+json"),
    "429": answer(429, b"slow down", kind="text/plain"),
    "502 of a proxy": answer(502, b"<html>", kind="text/html"),
}


@both
@pytest.mark.parametrize("fault", CUT.values(), ids=CUT)
def test_a_lost_connection_is_outlasted(push, fault):
    with scripted_server(fault, answer(202, STORED)) as (url, seen):
        assert push(url, HASH, 20).hash == HASH
        assert len(seen) == 2


@both
@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
def test_come_back_later_is_retried(push, status):
    replies = [answer(status, PROBLEM, "retry-after: 0"), answer(status, b""), answer(202, STORED)]
    with scripted_server(in_turn(*replies)) as (url, seen):
        assert push(url, HASH, 20).hash == HASH
        assert len(seen) == 3


@both
@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)
def test_a_lasting_fault_ends_at_the_deadline_and_claims_nothing(push, fault):
    with scripted_server(fault) as (url, _):
        began = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            push(url, HASH, 0.3)
        assert time.monotonic() - began < 2
        assert caught.value.stored == 0
        assert caught.value.attempts >= 2


SLOW = {
    "silent": raw(b"", pause=30),
    "a byte of the headers at a time": raw(
        *[b"HTTP/1.1 202 Accepted\r\nx: "[i : i + 1] for i in range(25)], pause=0.2
    ),
    "a byte of the body at a time": raw(
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 200\r\n\r\n", *[b" "] * 50, pause=0.2
    ),
    "headers without end": raw(*[b"HTTP/1.1 202 Accepted\r\n", *[b"x: y\r\n"] * 60], pause=0.1),
}


@both
@pytest.mark.parametrize("fault", SLOW.values(), ids=SLOW)
def test_one_deadline_holds_however_the_answer_trickles(push, fault):
    with scripted_server(fault) as (url, _):
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            push(url, HASH, 0.4)
        assert 0.2 < time.monotonic() - began < 2


WRONG = {
    "200 instead of 202": answer(200, STORED),
    "204": answer(204),
    "a page with status 200": answer(200, b"<html>hello</html>", kind="text/html"),
    "a page with status 202": answer(202, b"<html>hello</html>", kind="text/html"),
    "an empty 202": answer(202),
    "a redirect": answer(302, b"", "location: http://127.0.0.1:1/"),
    "fewer accepted": answer(202, STORED.replace(b'"accepted": 1', b'"accepted": 0')),
    "more accepted": answer(202, STORED.replace(b'"accepted": 1', b'"accepted": 2')),
    "accepted as a text": answer(202, STORED.replace(b'"accepted": 1', b'"accepted": "1"')),
    "accepted as true": answer(202, STORED.replace(b'"accepted": 1', b'"accepted": true')),
    "another hash": answer(202, STORED.replace(HASH.encode(), OTHER.encode())),
    "no time": answer(202, STORED.replace(b"2026-01-31T09:30:00.000Z", b"soon")),
    "a list": answer(202, b"[1]"),
    "404 of another server": answer(404, b"not found", kind="text/plain"),
    "a problem without a code": answer(400, b'{"detail": "no"}'),
}


@both
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_an_answer_that_does_not_say_stored_is_not_taken_for_it(push, wrong):
    with scripted_server(wrong) as (url, seen):
        with pytest.raises(UnexpectedAnswerError) as caught:
            push(url, HASH, 5)
        assert caught.value.stored == 0
        assert len(seen) == 1


@both
@pytest.mark.parametrize(
    ("status", "code"), [(400, "INVALID_HASH"), (413, "PAYLOAD_TOO_LARGE"), (500, "INTERNAL")]
)
def test_a_refusal_is_raised_at_once_as_what_it_is(push, status, code):
    problem = json.dumps({"status": status, "code": code, "detail": "what was wrong", "index": 3}).encode()
    with scripted_server(answer(status, problem, kind="application/problem+json")) as (url, seen):
        with pytest.raises(RefusedError, match="what was wrong") as caught:
            push(url, HASH, 5)
        assert (caught.value.status, caught.value.code, caught.value.index) == (status, code, 3)
        assert len(seen) == 1


@both
def test_retry_after_is_waited_for(push):
    replies = [answer(503, PROBLEM, "retry-after: 1"), answer(202, STORED)]
    with scripted_server(in_turn(*replies)) as (url, _):
        began = time.monotonic()
        push(url, HASH, 10)
        assert time.monotonic() - began >= 1


@both
def test_retry_after_as_a_date_counts_from_the_servers_own_clock(push):
    dates = ("date: Sat, 31 Jan 2026 09:00:00 GMT", "retry-after: Sat, 31 Jan 2026 09:00:01 GMT")
    replies = [answer(503, PROBLEM, *dates), answer(202, STORED)]
    with scripted_server(in_turn(*replies)) as (url, _):
        began = time.monotonic()
        push(url, HASH, 10)
        assert 1 <= time.monotonic() - began < 3


@both
def test_retry_after_past_the_deadline_is_not_waited_for(push):
    with scripted_server(answer(503, PROBLEM, "retry-after: 3600")) as (url, seen):
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="3600 s") as caught:
            push(url, HASH, 5)
        assert time.monotonic() - began < 2
        assert caught.value.retry_after == 3600
        assert len(seen) == 1


@both
def test_a_push_that_breaks_half_way_says_how_far_it_came(push):
    slice_ = json.dumps(
        {"accepted": 16_384, "receivedAt": "2026-01-31T09:30:00.000Z", "anchorBy": None}
    ).encode()
    replies = [answer(202, slice_), answer(202, slice_), answer(500, b'{"code": "INTERNAL", "detail": "x"}')]
    with scripted_server(in_turn(*replies)) as (url, _):
        with pytest.raises(RefusedError) as caught:
            push(url, [os.urandom(32) for _ in range(40_000)], 20)
        assert caught.value.stored == 2 * 16_384


def test_a_refusal_sent_before_the_body_was_read_is_seen():
    problem = b'{"status": 413, "code": "PAYLOAD_TOO_LARGE", "detail": "too long"}'
    head = b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(problem)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(head + problem)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(RefusedError, match="too long"):
            push_in_thread(f"http://127.0.0.1:{listener.getsockname()[1]}", [os.urandom(32)] * 16_384, 5)
        thread.join()


def test_a_connection_that_the_server_closed_while_idle_costs_no_attempt(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waited"))

    def once(connection, request):
        answer(202, STORED)(connection, request)
        hang_up(connection, request)

    with scripted_server(once) as (url, seen), Holdfast(url, "hf_key", timeout=5) as client:
        for _ in range(5):
            client.push(HASH)
        assert len(seen) >= 5


@pytest.mark.parametrize("hash_in_answer", [OTHER, HASH.upper(), None])
def test_a_receipt_or_status_of_another_hash_is_refused(hash_in_answer):
    receipt = {"format": "holdfast-receipt/1", "hash": hash_in_answer, "anchors": [{"status": "mined"}]}
    status = {"hash": hash_in_answer, "status": "sealed"}
    calls = [
        (answer(200, json.dumps(receipt).encode()), lambda client: client.receipt(HASH)),
        (answer(202, json.dumps(status).encode()), lambda client: client.receipt(HASH)),
        (answer(200, json.dumps(status).encode()), lambda client: client.status(HASH)),
        (answer(200, json.dumps(receipt).encode()), lambda client: list(client.receipts([HASH]))),
        (answer(200, json.dumps(status).encode()), lambda client: list(client.receipts([HASH]))),
        (answer(200, json.dumps(status).encode()), lambda client: client.wait_for(HASH)),
    ]
    for script, call in calls:
        with scripted_server(script) as (url, _), Holdfast(url, timeout=5) as client:
            with pytest.raises(UnexpectedAnswerError):
                call(client)


def test_receipts_with_a_line_too_few_or_too_many_are_refused():
    line = json.dumps({"hash": HASH, "status": "sealed"}).encode() + b"\n"
    for body in (line, line * 3, b"", line + b"\n" + line):
        with scripted_server(answer(200, body)) as (url, _), Holdfast(url, timeout=5) as client:
            with pytest.raises(UnexpectedAnswerError):
                list(client.receipts([HASH, HASH]))


@both
def test_nobody_listening_is_unavailable(push):
    with pytest.raises(UnavailableError, match="in time"):
        push("http://127.0.0.1:1", HASH, 0.3)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "holdfast.example",
        "ftp://x",
        "http://",
        "http://u:p@x",
        "http://x?y",
        "http://x:port",
        "http://[::1",
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url, monkeypatch):
    monkeypatch.delenv("HOLDFAST_URL", raising=False)
    for kind in (Holdfast, AsyncHoldfast):
        with pytest.raises(InvalidInputError) as caught:
            kind(url)
        assert "u:p" not in str(caught.value)


def test_a_key_that_would_break_the_headers_is_refused_and_not_shown():
    with pytest.raises(InvalidInputError) as caught:
        Holdfast("http://x", "hf_secret\r\nx: y")
    assert "secret" not in str(caught.value)
    assert "hf_key" not in repr(Holdfast("http://x", "hf_key"))


def _push_in_child(client: Holdfast, results) -> None:
    results.put(client.push(HASH).hash)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_does_not_use_its_parents_connections():
    with scripted_server(answer(202, STORED)) as (url, seen), Holdfast(url, timeout=10) as client:
        client.push(HASH)
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        child = context.Process(target=_push_in_child, args=(client, results))
        child.start()
        assert results.get(timeout=10) == HASH
        child.join()
        assert client.push(HASH).hash == HASH
        assert len(seen) == 3


def test_many_threads_share_one_client():
    def script(connection, request):
        body = request.partition(b"\r\n\r\n")[2]
        stored = STORED.replace(HASH[2:].encode(), body.hex().encode())
        answer(202, stored)(connection, request)

    with scripted_server(script) as (url, seen), Holdfast(url, timeout=20) as client:
        wrong = []

        def work() -> None:
            for _ in range(20):
                hash_ = "0x" + os.urandom(32).hex()
                if client.push(hash_).hash != hash_:
                    wrong.append(hash_)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert len(seen) == 320


def test_a_proxy_of_the_environment_is_used_and_given_its_password(monkeypatch):
    with scripted_server(answer(202, STORED)) as (proxy, seen):
        monkeypatch.setenv("http_proxy", proxy.replace("://", "://user:pass%40word@"))
        monkeypatch.delenv("no_proxy", raising=False)
        with Holdfast("http://holdfast.invalid/prefix", "hf_key", timeout=5) as client:
            assert client.push(HASH).hash == HASH
        assert seen[0].startswith(b"POST http://holdfast.invalid:80/prefix/v1/records HTTP/1.1")
        assert b"proxy-authorization: basic dxnlcjpwyxnzqhdvcmq=" in seen[0].lower()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with scripted_server(answer(202, STORED)) as (url, direct), Holdfast(url, timeout=5) as client:
            client.push(HASH)
            assert len(direct) == 1
