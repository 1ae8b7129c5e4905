"""JSON-RPC endpoints of chains."""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from ..errors import InvalidInputError, UnavailableError
from ..exchange.blocking import BlockingTransport, run
from ..exchange.endpoint import VERSION, Endpoint
from ..exchange.steps import Request, deadline_after, exchange

RATE_CODES = (-32005, -32029, -32097, 429)


class RpcError(Exception):
    """The endpoint answered a call with an error. For the verifier that is as good as null.

    `code` is that of the JSON-RPC error object, where it has one.
    """

    def __init__(self, message: str, code: Any = None) -> None:
        super().__init__(message)
        self.code = code

    @property
    def temporary(self) -> bool:
        """Whether the endpoint only refused to answer now, which tells nothing of the chain."""
        return self.code in RATE_CODES


class EndpointDownError(RpcError):
    """The endpoint did not answer, or what answered is no JSON-RPC endpoint."""


class RpcEndpoint(Protocol):
    """What answers calls. `name` is shown in verdicts, so it holds no secret."""

    @property
    def name(self) -> str: ...

    def call(self, method: str, params: list[Any]) -> Any:
        """Returns the result, null included. Raises RpcError or EndpointDownError."""


class HttpRpcEndpoint:
    """An endpoint over HTTP. Calls are retried for `timeout` seconds each, as endpoints limit their rates."""

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise InvalidInputError("An RPC endpoint is an http or https URL.")
        headers = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": f"holdfast-client-python/{VERSION}",
        }
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        https = parts.scheme == "https"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.name = parts.hostname if port is None else f"{parts.hostname}:{port}"
        self._timeout = timeout
        self._transport = BlockingTransport(
            Endpoint(https, parts.hostname, port or (443 if https else 80), target, headers)
        )

    def call(self, method: str, params: list[Any]) -> Any:
        deadline = deadline_after(self._timeout)
        pause = 0.25
        while True:
            answer = self._ask(method, params, deadline)
            error = answer.get("error")
            if error is None:
                if "result" not in answer:
                    raise EndpointDownError(f"{self.name} answered {method} without a result")
                return answer["result"]
            code = error.get("code") if isinstance(error, dict) else None
            if code not in RATE_CODES or time.monotonic() + pause >= deadline:
                message = error.get("message") if isinstance(error, dict) else error
                raise RpcError(f"{self.name} answered {method} with error {code}: {str(message)[:200]}", code)
            time.sleep(pause)
            pause *= 2

    def close(self) -> None:
        self._transport.close()

    def _ask(self, method: str, params: list[Any], deadline: float) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = Request("POST", "", deadline, body, "application/json")
        try:
            answer = run(exchange(request), self._transport)
        except UnavailableError as error:
            raise EndpointDownError(
                f"{self.name} did not answer: {error.__cause__ or 'status ' + str(error)}"
            ) from error
        try:
            found = json.loads(answer.body.decode("utf-8"))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not ("result" in found or "error" in found):
            raise EndpointDownError(f"{self.name} answered with status {answer.status} and no JSON-RPC")
        return found
