"""The fake's HTTP API: a request to an answer, as docs and /openapi.json of the daemon say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ..errors import InvalidInputError, InvalidRecordError
from ..exchange.steps import Answer, Request
from ..hashing import hash_bytes, hash_text
from ..records import hash_record, parse_record
from .ledger import Ledger, time_text

_TITLES = {400: "Bad request", 401: "No valid API key", 404: "Unknown", 405: "Method", 415: "Media type"}


class Problem(Exception):  # noqa: N818
    """An answer that is a problem document."""

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        headers = {"retry-after": str(more["retryAfter"])} if "retryAfter" in more else {}
        body = {
            "type": "urn:holdfast:problem:" + code.lower().replace("_", "-"),
            "title": _TITLES.get(status, code),
            "status": status,
            "detail": detail,
            "code": code,
            **more,
        }
        self.answer = json_answer(status, body, "application/problem+json", headers)


def json_answer(
    status: int, body: Any, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> Answer:
    text = json.dumps(body, ensure_ascii=False).encode()
    return Answer(status, {"content-type": f"{kind}; charset=utf-8", **(headers or {})}, text)


def answer_request(ledger: Ledger, request: Request, *, authorized: bool) -> Answer:
    """Answers one request. Raises Problem."""
    path, method = request.path, request.method
    if path in ("/livez", "/readyz", "/healthz") and method == "GET":
        return json_answer(200, {"status": "ok", "checks": []})
    if path == "/v1/records" and method == "POST":
        if not authorized:
            raise Problem(401, "UNAUTHORIZED", "Send an API key: Authorization: Bearer hf_…")
        return _push(ledger, request)
    if path == "/v1/receipts" and method == "POST":
        return _receipts(ledger, request)
    match = re.fullmatch(r"/v1/records/([^/]+)(/receipt)?", path)
    if match and method == "GET":
        return (_receipt if match[2] else _status)(ledger, _hash(match[1]))
    raise Problem(404, "NOT_FOUND", f"The fake does not serve {method} {path}.")


def _push(ledger: Ledger, request: Request) -> Answer:
    hashes, shown = _hashes_of(request)
    now = datetime.now(timezone.utc)
    ledger.store(hashes, now)
    body: dict[str, Any] = {
        "accepted": len(hashes),
        "receivedAt": time_text(now),
        "anchorBy": time_text(now + timedelta(minutes=20)),
    }
    if len(hashes) == 1:
        body["hash"] = hash_text(hashes[0])
    elif shown:
        body["hashes"] = [hash_text(hash_) for hash_ in hashes]
    return json_answer(202, body)


def _hashes_of(request: Request) -> tuple[list[bytes], bool]:
    body = request.body or b""
    if request.content_type == "application/octet-stream":
        if not body:
            raise Problem(400, "EMPTY", "The body is empty; N x 32 bytes were expected.")
        if len(body) % 32:
            raise Problem(400, "INVALID_HASH", f"The body has {len(body)} bytes, not a multiple of 32.")
        return [body[i : i + 32] for i in range(0, len(body), 32)], False
    if request.content_type != "application/json":
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "The fake takes application/json and octet-stream.")
    document = _object(body)
    if set(document) in ({"record"}, {"records"}):
        records = [document["record"]] if "record" in document else document["records"]
        return [hash_bytes(hash_record(record)) for record in records], "records" in document
    if set(document) in ({"hash"}, {"hashes"}):
        texts = [document["hash"]] if "hash" in document else document["hashes"]
        return [_hash(text, index) for index, text in enumerate(texts)], False
    raise Problem(400, "INVALID_REQUEST", "Give one of hash, hashes, record, records.")


def _receipts(ledger: Ledger, request: Request) -> Answer:
    hashes = _object(request.body or b"").get("hashes")
    if not isinstance(hashes, list) or not 1 <= len(hashes) <= 1000:
        raise Problem(400, "INVALID_REQUEST", "Give 1 to 1,000 hashes.")
    lines = []
    for index, text in enumerate(hashes):
        hash_ = _hash(text, index)
        document = ledger.receipt(hash_) or {"hash": hash_text(hash_), "status": ledger.status(hash_)}
        lines.append(json.dumps(document).encode() + b"\n")
    return Answer(200, {"content-type": "application/x-ndjson; charset=utf-8"}, b"".join(lines))


def _receipt(ledger: Ledger, hash_: bytes) -> Answer:
    receipt = ledger.receipt(hash_)
    if receipt is not None:
        return json_answer(200, receipt)
    status = _known(ledger, hash_)
    body = {"hash": hash_text(hash_), "status": status, "anchorBy": None}
    return json_answer(202, body, headers={"retry-after": "1"})


def _status(ledger: Ledger, hash_: bytes) -> Answer:
    status = _known(ledger, hash_)
    body: dict[str, Any] = {
        "hash": hash_text(hash_),
        "status": status,
        "receivedAt": time_text(ledger.received_at(hash_)),
        "source": "fake",
        "anchors": [],
        "anchorBy": None,
    }
    if hash_ in ledger.leaves:
        batch, index = ledger.leaves[hash_]
        body["batch"] = {"id": str(batch.number), "leafIndex": index}
    return json_answer(200, body)


def _known(ledger: Ledger, hash_: bytes) -> str:
    status = ledger.status(hash_)
    if status == "unknown":
        raise Problem(404, "UNKNOWN_RECORD", f"No record with hash {hash_text(hash_)} is here.")
    return status


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = parse_record(body)
    except InvalidRecordError as error:
        raise Problem(400, "INVALID_JSON", str(error)) from error
    if not isinstance(document, dict):
        raise Problem(400, "INVALID_REQUEST", "The body is not a JSON object.")
    return document


def _hash(text: Any, index: int | None = None) -> bytes:
    try:
        return hash_bytes(text)
    except InvalidInputError as error:
        raise Problem(
            400, "INVALID_HASH", str(error), **({} if index is None else {"index": index})
        ) from error
