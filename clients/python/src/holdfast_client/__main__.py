"""The command line: python -m holdfast_client push | receipt | verify."""

from __future__ import annotations

import sys

from .commands.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
