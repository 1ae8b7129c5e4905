"""Odd answers of endpoints, one a row: the exit status, and the one where a final block is asked for.

The command line of the daemon gave the same on each of them.
"""

from __future__ import annotations

import json
import os

import pytest

from holdfast_client import verify_receipt
from holdfast_client.testing import FakeHoldfast
from holdfast_client.verify import RpcError


def good(method, params, result):
    return result


def on(wanted, change, tag=None):
    """Changes the answers of a method, or of eth_getBlockByNumber for a tag."""

    def odd(method, params, result):
        if method != wanted or (tag and params[0] != tag):
            return result
        return change(result)

    return odd


def both(*changes):
    def odd(method, params, result):
        for change in changes:
            result = change(method, params, result)
        return result

    return odd


def fail(_):
    raise RpcError("it does not serve this")


def null(_):
    return None


def put(key, value):
    return lambda result: {**result, key: value}


def drop(key):
    return lambda result: {name: value for name, value in result.items() if name != key}


def to_decimal(result):
    return {**result, "status": 1, "blockNumber": int(result["blockNumber"], 16)}


def transaction_objects(block):
    return {**block, "transactions": [{"hash": hash_} for hash_ in block["transactions"]]}


def with_logs(change):
    return on(RECEIPT, lambda receipt: {**receipt, "logs": change(receipt["logs"])})


def upper(_method, _params, result):
    if isinstance(result, str):
        return result.upper().replace("0X", "0x")
    if isinstance(result, list):
        return [upper(None, None, item) for item in result]
    return (
        {key: upper(None, None, item) for key, item in result.items()} if isinstance(result, dict) else result
    )


RECEIPT, BLOCK, CALL = "eth_getTransactionReceipt", "eth_getBlockByNumber", "eth_call"
no_finality = on(BLOCK, fail, "finalized")
no_newest = on(BLOCK, fail, "latest")
forgot = on(RECEIPT, null)
denies = on(RECEIPT, put("status", "0x0"))
another_hash = on(BLOCK, put("hash", "0x" + "11" * 32), "0x1")
not_listed = on(BLOCK, put("transactions", []), "0x1")

ODD = {
    "nothing odd": ([good], 0, 0),
    "no finality": ([no_finality], 0, 2),
    "no finality on one of two": ([good, no_finality], 0, 2),
    "no finality, newest 63 higher": ([both(no_finality, on(BLOCK, put("number", "0x40"), "latest"))], 0, 2),
    "no finality, newest 64 higher": ([both(no_finality, on(BLOCK, put("number", "0x41"), "latest"))], 0, 0),
    "finality at genesis": ([on(BLOCK, put("number", "0x0"), "finalized")], 0, 2),
    "finality without a hash": ([on(BLOCK, lambda _: {"number": "0x99"}, "finalized")], 0, 2),
    "no newest block": ([no_newest], 2, 2),
    "a denial without a newest block": ([both(denies, no_newest)], 2, 2),
    "a newest block without a time": ([on(BLOCK, drop("timestamp"), "latest")], 2, 2),
    "a forgotten transaction": ([forgot], 0, 0),
    "a forgotten transaction, nothing stored": ([both(forgot, on(CALL, lambda _: "0x"))], 2, 2),
    "a transaction that the block does not list": ([both(forgot, not_listed)], 1, 1),
    "transactions as objects": ([both(forgot, on(BLOCK, transaction_objects, "0x1"))], 0, 0),
    "logs that are null": ([on(RECEIPT, put("logs", None))], 0, 0),
    "odd logs before ours": ([with_logs(lambda logs: [None, {"address": 5, "topics": 5}, *logs])], 0, 0),
    "no logs": ([on(RECEIPT, put("logs", []))], 1, 1),
    "a removed log": ([with_logs(lambda logs: [{**logs[0], "removed": True}])], 1, 1),
    "a log removed in a text": ([with_logs(lambda logs: [{**logs[0], "removed": "true"}])], 1, 1),
    "no status": ([on(RECEIPT, drop("status"))], 0, 0),
    "no block hash": ([on(RECEIPT, drop("blockHash"))], 0, 0),
    "another transaction": ([on(RECEIPT, put("transactionHash", "0x" + "11" * 32))], 0, 0),
    "a failed transaction": ([denies], 1, 1),
    "another block hash": ([another_hash], 1, 1),
    "another time": ([on(BLOCK, put("timestamp", "0x1"), "0x1")], 1, 1),
    "a block without a time": ([on(BLOCK, drop("timestamp"), "0x1")], 0, 0),
    "a lagging node": ([both(forgot, another_hash, on(BLOCK, put("number", "0x0"), "latest"))], 2, 2),
    "upper case": ([upper], 0, 0),
    "numbers of JSON": ([on(RECEIPT, to_decimal)], 0, 0),
    "a chain id in decimal": ([on("eth_chainId", lambda _: "31337")], 0, 0),
    "another chain": ([on("eth_chainId", lambda _: "0x1")], 2, 2),
    "another chain beside a good one": ([on("eth_chainId", lambda _: "0x1"), good], 0, 0),
    "one denies, one confirms": ([denies, good], 2, 2),
    "one denies, one is unread": ([denies, no_newest], 1, 1),
    "one forgot, one confirms": ([both(forgot, on(CALL, null)), good], 0, 0),
    "a stored time that is nonsense": ([on(CALL, lambda _: f"0x{10**12:064x}")], 0, 0),
}  # fmt: skip


class Endpoint:
    def __init__(self, fake, name, odd):
        self.fake, self.name, self.odd = fake, name, odd

    def call(self, method, params):
        found = json.loads(self.fake.rpc(json.dumps({"method": method, "params": params}).encode()))
        return self.odd(method, params, found.get("result"))


@pytest.fixture(scope="module")
def chain():
    fake = FakeHoldfast()
    hash_ = fake.client().push_record({"salt": os.urandom(8).hex()}).hash
    fake.finalize()
    return fake, fake.client().receipt(hash_)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_answer_decides_as_the_page_says(chain, odd):
    fake, receipt = chain
    changes, plain, final = odd
    endpoints = [Endpoint(fake, f"endpoint{number}", change) for number, change in enumerate(changes)]
    verdict = verify_receipt(receipt, endpoints)
    assert verdict.exit_status == plain, verdict.lines()
    assert verify_receipt(receipt, endpoints, final=True).exit_status == final


def test_a_stored_time_that_is_nonsense_is_a_remark(chain):
    fake, receipt = chain
    (changes, _, _) = ODD["a stored time that is nonsense"]
    verdict = verify_receipt(receipt, Endpoint(fake, "endpoint0", changes[0]))
    assert verdict.valid
    assert "which is nonsense" in verdict.remarks[0]
