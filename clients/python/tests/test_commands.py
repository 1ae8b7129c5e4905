"""python -m holdfast_client, as a shell sees it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys

import pytest

from holdfast_client import hash_record
from holdfast_client.commands.main import main


@pytest.fixture
def holdfast(fake, tmp_path, monkeypatch, capfd):
    """Runs a command in this process, as a shell would see it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, text="", url=None, key=fake.api_key):
        monkeypatch.setenv("HOLDFAST_URL", url or fake.url)
        monkeypatch.setenv("HOLDFAST_API_KEY", key)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        try:
            status = main([*map(str, arguments)])
        except SystemExit as stop:
            status = stop.code
        return status, *capfd.readouterr()

    return run


def test_the_module_is_a_command(fake):
    environment = {**os.environ, "HOLDFAST_URL": fake.url, "HOLDFAST_API_KEY": fake.api_key}
    command = [sys.executable, "-m", "holdfast_client", "push", "-"]
    done = subprocess.run(command, input="zz", env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.startswith("holdfast: standard input, line 1: 'zz' is not a hash")


def test_hashes_records_and_documents_are_pushed_and_their_hashes_printed(holdfast, fake, tmp_path):
    hashes = ["0x" + os.urandom(32).hex() for _ in range(3)]
    (tmp_path / "hashes").write_text(f"{hashes[0]}\n\n{hashes[1][2:].upper()}\n")
    assert holdfast("push", "hashes") == (0, f"{hashes[0]}\n{hashes[1]}\n", "")
    assert holdfast("push", "-", text=f'"{hashes[2]}"\n') == (0, f"{hashes[2]}\n", "")
    record = {"shipment": "S-2047", "quantity": 4800}
    assert holdfast("push", "--records", "-", text=json.dumps(record))[1] == hash_record(record) + "\n"
    (tmp_path / "a.pdf").write_bytes(b"content")
    document = "0x" + hashlib.sha256(b"content").hexdigest()
    assert holdfast("push", "--files", "a.pdf")[1] == document + "\n"
    assert fake.hashes == [*hashes, hash_record(record), document]


def test_nothing_is_pushed_when_a_line_or_file_is_wrong(holdfast, fake, tmp_path):
    (tmp_path / "hashes").write_text("ab" * 32 + "\nzz\n")
    status, output, error = holdfast("push", "hashes")
    assert (status, output) == (65, "")
    assert "hashes, line 2: 'zz' is not a hash" in error
    assert holdfast("push", "hashes", "missing")[0] in (65, 66)
    assert holdfast("push", "missing")[0] == 66
    assert holdfast("push", "--files", "hashes", "missing")[0] == 66
    assert holdfast("push", "--records", "-", text='{"a": 1, "a": 2}')[0] == 65
    assert fake.hashes == []


def test_receipts_are_printed_and_verified(holdfast, fake, tmp_path):
    record = {"shipment": "S-2047"}
    (tmp_path / "record.json").write_text(json.dumps(record))
    hash_ = hash_record(record)
    assert holdfast("receipt", hash_)[0] == 2
    holdfast("push", "--records", "record.json")
    status, output, error = holdfast("receipt", hash_)
    assert (status, output) == (2, "")
    assert "no receipt yet: accepted" in error
    assert holdfast("receipt", hash_, "--wait", "--timeout", "0.5")[0] == 2
    fake.anchor()
    status, output, _ = holdfast("receipt", hash_, "--wait")
    assert status == 0
    (tmp_path / "receipt.json").write_text(output)
    check = ("verify", "receipt.json", "--rpc", fake.rpc_url)
    status, output, _ = holdfast(*check, "--record", "record.json", "--publisher", fake.publisher)
    assert status == 0
    assert output.startswith(f"VALID: {hash_} existed by ")
    (tmp_path / "record.json").write_text('{"shipment": "S-2048"}')
    status, output, _ = holdfast(*check, "--record", "record.json")
    assert status == 1
    assert output.startswith("NOT VALID: the receipt is of ")
    assert holdfast(*check, "--file", "record.json")[0] == 1
    assert holdfast(*check, "--hash", hash_, "--final")[0] == 2
    assert holdfast(*check, "--by", "2020-01-01")[0] == 1
    assert holdfast(*check, "--require", "2")[0] == 2
    assert holdfast("verify", "receipt.json", "--rpc", "http://127.0.0.1:1/", "--timeout", "0.3")[0] == 2
    assert holdfast("verify", "-", "--rpc", fake.rpc_url, text="{}")[0] == 1


def test_what_keeps_a_command_from_running_has_a_status_of_its_own(holdfast, tmp_path):
    assert holdfast("push")[0] == 64
    assert holdfast("nonsense")[0] == 64
    assert holdfast("verify", "receipt.json")[0] == 64
    assert holdfast("push", "--records", "--files", "x")[0] == 64
    assert holdfast("verify", "missing", "--rpc", "http://x")[0] == 66
    assert holdfast("receipt", "zz")[0] == 65
    assert holdfast("push", "-", text="ab" * 32, key="hf_wrong")[0] == 77
    assert holdfast("push", "-", "--timeout", "0.2", text="ab" * 32, url="http://127.0.0.1:1")[0] == 75
    assert holdfast("push", "-", text="ab" * 32, url="nonsense")[0] == 65
    assert holdfast("--help")[0] == 0
