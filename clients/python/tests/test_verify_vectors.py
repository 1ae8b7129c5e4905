"""The verifier on the golden vectors of receipts."""

from __future__ import annotations

import copy
import datetime as dt
import json

import pytest

from holdfast_client.verify import EndpointDownError, RpcError, verify_receipt
from support.vectors import receipt as vectors

VECTORS = vectors()
KEYS = {
    "": ["format", "tree", "hash", "receivedAt", "leaf", "batch", "path", "anchors"],
    "batch": ["id", "leafIndex", "leafCount", "root"],
    "anchor": [
        "chainId", "registry", "publisher", "root", "path", "transactionHash", "blockNumber", "blockHash",
        "blockTime", "status",
    ],
}  # fmt: skip


class Endpoint:
    def __init__(self, answers, name="endpoint"):
        self.name = name
        self.answers = answers
        self.asked = []

    def call(self, method, params):
        self.asked.append(method)
        if isinstance(self.answers, dict):
            raise EndpointDownError(f"{self.name} is down")
        for answer in [*self.answers, *VECTORS["rpc"]]:
            if answer["method"] == method and answer.get("params", params) == params:
                if "error" in answer:
                    raise RpcError(str(answer["error"]), answer["error"].get("code"))
                return answer.get("result")
        return None


def ordered(receipt):
    document = {key: receipt[key] for key in KEYS[""]}
    document["batch"] = {key: receipt["batch"][key] for key in KEYS["batch"]}
    document["anchors"] = [{key: anchor[key] for key in KEYS["anchor"]} for anchor in receipt["anchors"]]
    return document


def changed(case):
    """Returns the first receipt with a change: a value, or a text where the text was changed."""
    document = ordered(copy.deepcopy(VECTORS["receipts"][0]))
    if "replace" in case:
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).replace(*case["replace"], 1)
    for pointer, value in case.get("set", {}).items():
        parent, key = find(document, pointer)
        parent[key] = value
    for pointer in case.get("remove", []):
        parent, key = find(document, pointer)
        del parent[key]
    return document


def find(document, pointer):
    *path, last = pointer.split("/")[1:]
    for key in path:
        document = document[int(key) if isinstance(document, list) else key]
    return document, int(last) if isinstance(document, list) and last != "-" else last


def auditor(case):
    options = dict(case.get("options", {}))
    if "hash" in options:
        options["hash_"] = options.pop("hash")
    if "by" in options:
        options["by"] = dt.datetime.fromisoformat(options["by"].replace("Z", "+00:00"))
    return options


def names(cases):
    return [case["name"] for case in cases]


@pytest.mark.parametrize("receipt", VECTORS["receipts"], ids=["first", "second"])
def test_both_receipts_are_valid(receipt):
    verdict = verify_receipt(receipt, Endpoint([]))
    assert (verdict.word, verdict.reason, verdict.valid, verdict.final) == ("anchored", None, True, False)
    assert verify_receipt(json.dumps(receipt).encode(), Endpoint([])) == verdict
    assert "not final yet" in verdict.headline
    assert "no record or hash was given" in verdict.headline


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=names(VECTORS["invalid"]))
def test_a_changed_receipt_is_contradicted_for_the_right_reason(case):
    document = changed(case)
    documents = [document] if isinstance(document, str) else [document, json.dumps(document)]
    for each in documents:
        verdict = verify_receipt(each, Endpoint([]), **auditor(case))
        assert (verdict.valid, verdict.reason) == (False, case["reason"]), verdict.headline
        assert verdict.word == ("anchored" if case["reason"] == "late" else "contradicted")
        assert verdict.exit_status == 1
        assert verdict.headline.startswith("NOT VALID")


@pytest.mark.parametrize("case", VECTORS["stated"], ids=names(VECTORS["stated"]))
def test_a_changed_stated_value_voids_nothing(case):
    verdict = verify_receipt(changed(case), Endpoint([]), **auditor(case))
    assert verdict.valid, verdict.headline


@pytest.mark.parametrize("case", VECTORS["chains"], ids=names(VECTORS["chains"]))
def test_on_other_chains_the_verdict_is_the_vectors(case):
    endpoints = [Endpoint(answers, f"endpoint{i}") for i, answers in enumerate(case["endpoints"])]
    verdict = verify_receipt(changed(case), endpoints, require=case.get("require", 1), **auditor(case))
    found = {"verdict": verdict.word, "reason": verdict.reason, "final": verdict.final}
    assert found == {key: case[key] for key in found}, verdict.lines()


def test_there_are_enough_vectors():
    assert len(VECTORS["invalid"]) >= 40
