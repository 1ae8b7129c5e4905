"""Starts and stops what the story needs: holdfast dev, the web server, the Celery worker. All on loopback."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Servers:
    def __init__(self, state):
        self.state = state
        self.ports = {name: free_port() for name in ("holdfast", "chain", "web")}
        self.processes = {}
        self.environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "site_config.settings",
            "SHIPMENTS_STATE": str(state),
            "HOLDFAST_URL": f"http://127.0.0.1:{self.ports['holdfast']}",
            "RPC_URL": f"http://127.0.0.1:{self.ports['chain']}",
        }

    @property
    def web(self):
        return f"http://127.0.0.1:{self.ports['web']}"

    def start_holdfast(self):
        ports = ["--port", str(self.ports["holdfast"]), "--rpc-port", str(self.ports["chain"])]
        command = ["node", str(REPOSITORY / "dist/cli/main.js"), "dev", *ports, "--state", f"{self.state}/holdfast"]
        log = self._start("holdfast", command, REPOSITORY)
        text = self._wait(log, r"Holdfast is up")
        if "HOLDFAST_API_KEY" not in self.environment:
            self.environment["HOLDFAST_API_KEY"] = re.search(r"hf_[\w-]+", text)[0]

    def start_django(self):
        self.manage("migrate", "--verbosity", "0")
        self._start("web", [sys.executable, "manage.py", "runserver", "--noreload", str(self.ports["web"])], HERE)
        worker = [sys.executable, "-m", "celery", "-A", "site_config", "worker", "--beat", "--pool", "solo"]
        options = ["--loglevel", "warning", "--schedule", f"{self.state}/beat"]
        self._start("worker", [*worker, *options, "--without-gossip", "--without-mingle"], HERE)
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.web}/api/shipments/", timeout=5):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def manage(self, *arguments):
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=HERE, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def stop(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGINT if name == "holdfast" else signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop_all(self):
        for name in reversed(list(self.processes)):
            self.stop(name)

    def _start(self, name, command, folder):
        log = Path(self.state) / f"{name}.log"
        with log.open("ab") as output:
            start = output.tell()
            self.processes[name] = subprocess.Popen(
                command, cwd=folder, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
        return name, log, start

    def _wait(self, started, pattern):
        name, log, start = started
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            text = log.read_bytes()[start:].decode(errors="replace")
            if re.search(pattern, text):
                return text
            if self.processes[name].poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"{name} did not start:\n{log.read_text(errors='replace')}")
