"""The snippets of README.md, docs/python.md and docs/django.md do what the pages say."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import holdfast_client
from holdfast_client import hash_record
from holdfast_client.testing import FakeHoldfast
from support.daemon import REPOSITORY

PACKAGE = Path(__file__).parent.parent
OWN_LINES = 25


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture
def anchoring():
    """A fake whose chain anchors by itself."""
    fake = FakeHoldfast()
    stop = threading.Event()

    def tick():
        while not stop.wait(0.1):
            fake.finalize()

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    yield fake
    stop.set()
    ticker.join()
    fake.close()


def on(fake: FakeHoldfast, text: str) -> str:
    for address in ("https://rpc.example", "https://another.example", "http://127.0.0.1:8545"):
        text = text.replace(address, fake.rpc_url)
    return text.replace("http://127.0.0.1:8080", fake.url).replace("hf_…", fake.api_key)


@pytest.mark.parametrize(
    "page", [PACKAGE / "README.md", REPOSITORY / "docs/python.md"], ids=["README", "docs"]
)
def test_the_python_snippets_run_one_after_the_other(page, anchoring, capsys):
    names: dict = {}
    snippets = blocks(page, "python")
    assert snippets
    for snippet in snippets:
        exec(compile(on(anchoring, snippet), str(page), "exec"), names)
    assert names["verdict"].valid, names["verdict"].lines()
    assert "VALID: 0x" in capsys.readouterr().out


def test_the_snippet_of_the_repositorys_readme_runs(anchoring):
    (snippet,) = [each for each in blocks(REPOSITORY / "README.md", "python") if "holdfast_client" in each]
    names: dict = {}
    exec(on(anchoring, snippet), names)
    assert names["receipt"]["hash"] == names["pushed"].hash


def test_the_commands_of_the_page_run(anchoring, tmp_path):
    record = {"id": 7, "item": "clip", "weight": 1.75}
    (tmp_path / "hashes.txt").write_text("ab" * 32 + "\n")
    (tmp_path / "shipments.ndjson").write_text(json.dumps(record))
    (tmp_path / "shipment.json").write_text(json.dumps(record))
    (tmp_path / "certificates").mkdir()
    (tmp_path / "certificates/a.pdf").write_bytes(b"%PDF")
    commands = [
        line
        for block in blocks(REPOSITORY / "docs/python.md", "sh")
        for line in block.splitlines()
        if line.startswith("python -m holdfast_client")
    ]
    assert len(commands) == 5
    environment = {**os.environ, "HOLDFAST_URL": anchoring.url, "HOLDFAST_API_KEY": anchoring.api_key}
    for command in commands:
        line = on(anchoring, command).replace("python -m", f"{shlex.quote(sys.executable)} -m", 1)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        if " receipt " in command:
            assert hash_record(record) in command
            (tmp_path / "receipt.json").write_text(done.stdout)


def test_a_new_django_project_that_follows_the_page_works_and_has_few_lines_of_its_own(anchoring, tmp_path):
    def run(*command):
        environment = {
            **os.environ,
            "HOLDFAST_URL": anchoring.url,
            "HOLDFAST_API_KEY": anchoring.api_key,
            "PYTHONPATH": str(tmp_path),
        }
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (command, done.stdout + done.stderr)
        return done.stdout

    django = [sys.executable, "-m", "django"]
    run(*django, "startproject", "pharma", ".")
    run(*django, "startapp", "shipments")
    settings = tmp_path / "pharma/settings.py"
    settings.write_text(settings.read_text() + "\nINSTALLED_APPS += ['shipments', 'rest_framework']\n")
    own, shell = 0, ""
    for snippet in blocks(REPOSITORY / "docs/django.md", "python"):
        name, _, code = snippet.partition("\n")
        code = on(anchoring, code)
        lines = len([line for line in code.splitlines() if line.strip()])
        if name == "# settings.py":
            settings.write_text(settings.read_text() + code)
            own += lines
        elif name in ("# shipments/models.py", "# shipments/admin.py"):
            (tmp_path / name[2:]).write_text(code)
            own += lines
        elif name == "# shipments/views.py":
            own += 2
            (tmp_path / "shipments/views.py").write_text(
                "from rest_framework.viewsets import ModelViewSet\n"
                f"{code[code.index('from holdfast') :]}{code}    queryset = None\n"
            )
        elif name == "# shipments/tests.py":
            (tmp_path / "shipments/tests.py").write_text(code)
        elif name == "# python manage.py shell":
            shell = code
    assert own <= OWN_LINES, own
    run(*django, "makemigrations", "shipments", "--settings", "pharma.settings")
    manage = [sys.executable, "manage.py"]
    run(*manage, "migrate", "--verbosity", "0")
    run(*manage, "check", "--deploy", "--tag", "holdfast", "--fail-level", "WARNING")
    imports = "import shipments.views, shipments.admin"
    run(*manage, "shell", "-c", imports)
    shell = "from shipments.models import Shipment\n" + shell
    assert "not pushed to Holdfast yet" in run(*manage, "shell", "-c", shell)
    assert "1 pushed" in run(*manage, "holdfast_sweep")
    again = "from shipments.models import Shipment\nfrom holdfast_client.django.verify import verify_row\n"
    wait = "import time\nfrom holdfast_client.django.sweep import sweep\ntime.sleep(2.5)\nsweep()\n"
    check = "print(verify_row(Shipment.objects.get()).headline)"
    assert "VALID: 0x" in run(*manage, "shell", "-c", again + wait + check)
    run(
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--ds",
        "pharma.settings",
        "-p",
        "no:cacheprovider",
        "shipments/tests.py",
    )


def test_the_package_states_its_version_once():
    text = (PACKAGE / "pyproject.toml").read_text()
    assert f'version = "{holdfast_client.__version__}"' in text
    assert f"## {holdfast_client.__version__}" in (PACKAGE / "CHANGELOG.md").read_text()
