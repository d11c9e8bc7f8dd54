"""Writes docs/cli.md from the verbs, or with --check says whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from dynasor.cli.reference import reference

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"


def main(arguments: list[str]) -> None:
    if arguments == ["--check"]:
        if PAGE.read_text() != reference():
            sys.exit(f"{PAGE} is not up to date; run python -m scripts.write_cli_reference")
    elif arguments:
        sys.exit("usage: write_cli_reference.py [--check]")
    else:
        PAGE.write_text(reference())


if __name__ == "__main__":
    main(sys.argv[1:])
