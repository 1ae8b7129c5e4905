"""The fake's chain: the JSON-RPC answers that a verifier asks for."""

from __future__ import annotations

import json
from typing import Any

from .ledger import CHAIN_ID, EVENT, PUBLISHER, REGISTRY, Anchor, Ledger


def answer_rpc(ledger: Ledger, body: bytes) -> bytes:
    """Answers one JSON-RPC request."""
    call = json.loads(body)
    answer: dict[str, Any] = {"jsonrpc": "2.0", "id": call.get("id")}
    try:
        answer["result"] = _result(ledger, call["method"], call.get("params", []))
    except LookupError:
        answer["error"] = {"code": -32601, "message": f"the method {call['method']} is not there"}
    return json.dumps(answer).encode()


def _result(ledger: Ledger, method: str, params: list[Any]) -> Any:
    if method == "eth_chainId":
        return hex(CHAIN_ID)
    if method == "eth_blockNumber":
        return hex(len(ledger.anchors))
    if method == "eth_getTransactionReceipt":
        return next((_receipt(a) for a in ledger.anchors if a.transaction_hash == params[0]), None)
    if method == "eth_getBlockByNumber":
        return _block(ledger, params[0])
    if method == "eth_call":
        return _anchored_at(ledger, params[0])
    raise LookupError(method)


def _block(ledger: Ledger, tag: str) -> Any:
    if tag == "latest":
        number = len(ledger.anchors)
    elif tag == "finalized":
        number = max((a.number for a in ledger.anchors if a.finalized), default=0)
    else:
        number = int(tag, 16)
    anchor = next((a for a in ledger.anchors if a.number == number), None)
    if anchor is None:
        return {"number": hex(number), "hash": "0x" + "0" * 64, "timestamp": "0x0"} if number == 0 else None
    return {
        "number": hex(number),
        "hash": anchor.block_hash,
        "timestamp": hex(int(anchor.block_time.timestamp())),
        "transactions": [anchor.transaction_hash],
    }


def _receipt(anchor: Anchor) -> dict[str, Any]:
    topics = ["0x" + EVENT.hex(), "0x" + "0" * 24 + PUBLISHER[2:].lower(), "0x" + anchor.root.hex()]
    return {
        "transactionHash": anchor.transaction_hash,
        "status": "0x1",
        "blockNumber": hex(anchor.block_number),
        "blockHash": anchor.block_hash,
        "logs": [
            {
                "address": REGISTRY.lower(),
                "topics": topics,
                "data": "0x",
                "removed": False,
                "blockNumber": hex(anchor.block_number),
                "blockHash": anchor.block_hash,
                "transactionHash": anchor.transaction_hash,
            }
        ],
    }


def _anchored_at(ledger: Ledger, call: dict[str, Any]) -> str:
    data = call.get("data") or call.get("input") or ""
    publisher, root = "0x" + data[34:74], data[74:138]
    known = call.get("to", "").lower() == REGISTRY.lower() and publisher == PUBLISHER.lower()
    times = [int(a.block_time.timestamp()) for a in ledger.anchors if a.root.hex() == root] if known else []
    return f"0x{min(times, default=0):064x}"
