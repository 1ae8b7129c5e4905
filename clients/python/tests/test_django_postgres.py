"""The Django tests again, on PostgreSQL, in a process of their own; and sweeps at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def test_the_django_tests_pass_on_postgresql(servers):
    environment = {**os.environ, "DJANGO_DATABASE_URL": servers.create_database("django")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "test_django.py",
            "test_django_web.py::TestAdmin",
            "test_django_concurrent.py",
        ],
        cwd=TESTS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
