"""Starts the real Holdfast of this repository.

`holdfast dev` brings PostgreSQL and a chain. The daemon under test is `holdfast serve` with a database of its
own. It can be killed, and anchors every second.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

REPOSITORY = Path(__file__).resolve().parents[4]
COMMAND = REPOSITORY / "dist/cli/main.js"
# The second account of every anvil chain; `holdfast dev` anchors with the first.
DEVELOPMENT_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@dataclass
class Servers:
    """PostgreSQL and a chain, from `holdfast dev`."""

    database_url: str
    rpc_url: str
    url: str
    api_key: str
    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]

    def create_database(self, name: str) -> str:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(f'create database "{name}"')
        return self.database_url.rsplit("/", 1)[0] + "/" + name

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.rpc_url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["result"]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.folder.cleanup()


def start_servers() -> Servers:
    folder = tempfile.TemporaryDirectory(prefix="holdfast-python-")
    Path(folder.name).chmod(0o755)
    log = Path(folder.name) / "log"
    ports = [str(free_port()) for _ in range(2)]
    command = ["node", str(COMMAND), "dev", "--port", ports[0], "--rpc-port", ports[1]]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--state", f"{folder.name}/state"],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
        )
    deadline = time.monotonic() + 120
    while True:
        text = log.read_text()
        key, database = re.search(r"hf_[\w-]+", text), re.search(r"postgres://\S+", text)
        if key and database:
            break
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"holdfast dev did not start:\n{text}")
        time.sleep(0.1)
    rpc_url, url = f"http://127.0.0.1:{ports[1]}", f"http://127.0.0.1:{ports[0]}"
    return Servers(database[0], rpc_url, url, key[0], process, folder)


@dataclass
class Daemon:
    """`holdfast serve`, alone on its database."""

    servers: Servers
    database_url: str
    port: int = field(default_factory=free_port)
    api_key: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def rpc_url(self) -> str:
        return self.servers.rpc_url

    def start(self) -> None:
        """Starts the process. Does not wait for it."""
        with Path(f"{self.servers.folder.name}/serve-{self.port}.log").open("ab") as output:
            self.process = subprocess.Popen(
                ["node", str(COMMAND), "serve"],
                env=self._environment(),
                cwd=REPOSITORY,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError("holdfast serve did not get ready")

    def run(self, *arguments: str) -> str:
        """Runs a command of the command line on this daemon's database and chain."""
        command = ["node", str(COMMAND), *arguments]
        done = subprocess.run(
            command,
            env=self._environment(),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"holdfast {arguments[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def mine(self, blocks: int) -> None:
        self.servers.rpc("anvil_mine", hex(blocks))

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "HOLDFAST_CHAIN_ID": "31337",
            "HOLDFAST_RPC_URL": self.rpc_url,
            "HOLDFAST_PRIVATE_KEY": DEVELOPMENT_KEY,
            "HOLDFAST_HTTP_PORT": str(self.port),
            "HOLDFAST_CRON": "* * * * * *",
            "HOLDFAST_POLL_INTERVAL_MS": "500",
            "HOLDFAST_LEASE_TTL_MS": "2000",
        }


def start_daemon(servers: Servers, name: str) -> Daemon:
    """Returns a daemon that is ready, with a database of this name and a producer's key."""
    daemon = Daemon(servers, servers.create_database(name))
    daemon.run("migrate")
    key = re.search(r"hf_[\w-]+", daemon.run("keys", "create", "python-tests"))
    assert key is not None
    daemon.api_key = key[0]
    daemon.start()
    daemon.wait_until_ready()
    return daemon
