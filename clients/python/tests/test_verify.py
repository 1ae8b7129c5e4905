"""The verifier against chains that answer over HTTP: the fake's, the real daemon's, and odd endpoints."""

from __future__ import annotations

import copy
import datetime as dt
import json
import os
import random
import time

import pytest

from holdfast_client import Holdfast, InvalidInputError, Verifier, verify_receipt, verify_receipts
from holdfast_client.verify import EndpointDownError, RpcError
from support.servers import answer, hang_up, raw, scripted_server

RECORD = {"shipment": "S-2047", "quantity": 4800}


@pytest.fixture
def receipt(fake):
    hash_ = fake.client().push_record(RECORD).hash
    fake.client().push([os.urandom(32) for _ in range(4)])
    fake.anchor()
    return fake.client().receipt(hash_)


def test_the_real_daemons_receipts_are_valid_and_become_final(daemon):
    hashes = [os.urandom(32) for _ in range(5)]
    with Holdfast(daemon.url, daemon.api_key) as holdfast:
        hash_ = holdfast.push_record(RECORD | {"salt": os.urandom(8).hex()}).hash
        holdfast.push(hashes)
        receipt = holdfast.wait_for(hash_, timeout=60)
    verdict = verify_receipt(receipt, daemon.rpc_url, hash_=hash_)
    assert (verdict.word, verdict.valid, verdict.remarks) == ("anchored", True, ())
    assert verdict.headline.startswith(f"VALID: {hash_} existed by ")
    daemon.mine(10)
    assert verify_receipt(receipt, daemon.rpc_url, final=True).valid is True
    stranger = "0x70997970C51812dc3A010C7d01b50e0d17dc79C9"
    with pytest.raises(InvalidInputError):
        verify_receipt(receipt, daemon.rpc_url, publisher=stranger[:-1])
    assert verify_receipt(receipt, daemon.rpc_url, publisher=stranger).reason == "publisher"
    receipt["anchors"][0]["blockTime"] = "2020-01-01T00:00:00.000Z"
    assert verify_receipt(receipt, daemon.rpc_url).reason == "chain"


def test_the_headline_says_what_was_not_looked_at(fake, receipt):
    bare = verify_receipt(receipt, fake.rpc_url).headline
    for part in (
        "not final yet",
        "no record or hash was given",
        "named no publisher",
        "read from 127.0.0.1:",
    ):
        assert part in bare
    fake.finalize()
    full = verify_receipt(receipt, fake.rpc_url, record=RECORD, publisher=fake.publisher.lower()).headline
    for part in ("not final", "no record", "named no publisher", "not read"):
        assert part not in full


def test_an_anchor_that_was_not_read_is_named(fake, receipt):
    receipt["anchors"].append({**receipt["anchors"][0], "chainId": "eip155:1"})
    verdict = verify_receipt(receipt, {"eip155:31337": fake.rpc_url, "1": "http://127.0.0.1:1"}, timeout=0.2)
    assert verdict.valid
    assert verdict.headline.startswith("VALID on 1 of 2 anchors; eip155:1 was not read")
    assert "not read: 127.0.0.1:1" in verdict.headline
    assert verify_receipt(receipt, {"1": []}).reason == "unread"


def test_an_endpoint_of_another_chain_is_not_asked_for_more(fake, receipt):
    receipt["anchors"][0]["chainId"] = "eip155:1"
    verdict = verify_receipt(receipt, fake.rpc_url)
    assert (verdict.word, verdict.reason, verdict.exit_status) == ("unknown", "unread", 2)
    assert "it serves eip155:31337" in verdict.headline


PASSING = {
    "a rate limit of HTTP": answer(429, b"slow down", "retry-after: 0"),
    "a rate limit of JSON-RPC": answer(
        200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit"}}'
    ),
    "a bad gateway": answer(502, b"<html>"),
    "a lost connection": hang_up,
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_passing_fault_of_an_endpoint_is_outlasted(fake, receipt, fault):
    def forward(connection, request):
        answer(200, fake.rpc(request.partition(b"\r\n\r\n")[2]))(connection, request)

    first = [fault]

    def script(connection, request):
        (first.pop() if first else forward)(connection, request)

    with scripted_server(script) as (url, _):
        assert verify_receipt(receipt, url).valid


DEAD = {
    "a page": answer(200, b"<html>hello</html>", kind="text/html"),
    "no result": answer(200, b'{"jsonrpc":"2.0","id":1}'),
    "a list": answer(200, b"[]"),
    "an error of its own": answer(200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'),
    "an error that is a text": answer(400, b'{"error":"no"}'),
    "silence": raw(b"", pause=30),
    "nonsense": answer(200, b'{"result": {"deep": []}}'),
    "null": answer(200, b'{"result": null}'),
}


@pytest.mark.parametrize("fault", DEAD.values(), ids=DEAD)
def test_an_endpoint_that_answers_nothing_of_use_is_unread_and_named(receipt, fault):
    with scripted_server(fault) as (url, _):
        verdict = verify_receipt(
            receipt, url.replace("://", "://user:secret@") + "/v3/secret?key=secret", timeout=0.5
        )
    assert (verdict.word, verdict.reason, verdict.valid) == ("unknown", "unread", None)
    text = "\n".join(verdict.lines())
    assert url.partition("://")[2] in text
    assert "secret" not in text


def test_results_under_other_statuses_and_an_error_of_null_are_read(fake, receipt):
    def forward(connection, request):
        body = json.loads(fake.rpc(request.partition(b"\r\n\r\n")[2]))
        answer(500, json.dumps({**body, "error": None}).encode())(connection, request)

    with scripted_server(forward) as (url, _):
        assert verify_receipt(receipt, url).valid


def test_an_endpoint_that_is_down_is_waited_for_once(fake, receipt):
    receipts = [copy.deepcopy(receipt) for _ in range(20)]
    for number, each in enumerate(receipts):
        each["anchors"][0]["transactionHash"] = f"0x{number:064x}"
    began = time.monotonic()
    verdicts = list(verify_receipts(receipts, "http://127.0.0.1:1", timeout=0.3))
    assert {verdict.reason for verdict in verdicts} == {"unread"}
    assert time.monotonic() - began < 3


def test_receipts_of_one_anchor_are_checked_at_two_thousand_a_second(fake):
    client = fake.client()
    hashes = [os.urandom(32) for _ in range(8_192)]
    client.push(hashes)
    fake.anchor()
    texts = [json.dumps(found.receipt) for found in client.receipts(hashes[:2_000])]
    began = time.process_time()
    assert all(verdict.valid for verdict in verify_receipts(texts, fake.rpc_url))
    assert len(texts) / (time.process_time() - began) > 2_000


class Endpoint:
    """Answers calls with a function."""

    def __init__(self, call):
        self.name = "endpoint"
        self.call = call


def test_whatever_a_document_or_an_endpoint_holds_nothing_is_raised(fake, receipt):
    chance = random.Random(20261128)
    odd = [None, True, -1, 1.5, 10**30, "", "0x", "0x00", [], {}, [{}], "\ud800", "é", b"x"]

    def mutate(value):
        if isinstance(value, dict) and value and chance.random() < 0.8:
            key = chance.choice(list(value))
            return {**value, key: mutate(value[key])}
        if isinstance(value, list) and value and chance.random() < 0.8:
            index = chance.randrange(len(value))
            return [*value[:index], mutate(value[index]), *value[index + 1 :]]
        return chance.choice(odd)

    def call(method, params):
        found = json.loads(fake.rpc(json.dumps({"method": method, "params": params}).encode()))
        luck = chance.random()
        if luck < 0.1:
            raise (RpcError if luck < 0.07 else EndpointDownError)("bad luck")
        return mutate(found.get("result")) if luck < 0.5 else found.get("result")

    for _ in range(3_000):
        document = mutate(receipt) if chance.random() < 0.5 else receipt
        verdict = verify_receipt(document, [Endpoint(call), Endpoint(call)])
        assert verdict.word in ("anchored", "contradicted", "unknown")
        assert verdict.lines()


def test_a_text_that_is_no_receipt_is_contradicted():
    for text in ("", "null", "[]", "{", "\ufeff{}", b"\xff", "1" * 2_000_000, "[" * 100_000, '{"a":1,"a":2}'):
        verdict = verify_receipt(text, [])
        assert (verdict.word, verdict.reason, verdict.exit_status) == ("contradicted", "form", 1)


def test_every_character_of_a_receipt_counts(fake, receipt):
    """Changing a digit anywhere invalidates the receipt, but for what is only stated."""
    text = json.dumps(receipt, separators=(",", ":"))
    stated = [
        json.dumps(receipt["receivedAt"]),
        f'"id":"{receipt["batch"]["id"]}"',
        '"leafIndex":0',
        '"leafCount":5',
    ]
    spans = [range(text.index(part), text.index(part) + len(part)) for part in stated]
    verifier = Verifier(fake.rpc_url)
    for position, character in enumerate(text):
        if any(position in span for span in spans):
            continue
        other = "1" if character != "1" else "2"
        verdict = verifier.verify(text[:position] + other + text[position + 1 :])
        assert not verdict.valid, (position, text[max(0, position - 20) : position + 20])
    verifier.close()


def test_what_is_asked_must_make_sense(receipt):
    with pytest.raises(InvalidInputError):
        verify_receipt(receipt, [], hash_="zz")
    with pytest.raises(InvalidInputError):
        verify_receipt(receipt, [], hash_="00" * 32, record=RECORD)
    with pytest.raises(InvalidInputError):
        verify_receipt(receipt, [], by=dt.datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidInputError):
        verify_receipt(receipt, "ftp://x")
    with pytest.raises(InvalidInputError):
        verify_receipt(receipt, [], registry=["0x1"])
