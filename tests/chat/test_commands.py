"""What a line of the user means."""

from __future__ import annotations

import pytest

from dynasor.chat.commands import (
    HELP,
    READERS,
    ChooseEffort,
    ChooseProgram,
    Command,
    Help,
    Quit,
    Restart,
    Say,
    ToggleThinking,
    read_command,
)
from dynasor.errors import InputError


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("", None),
        ("  \t", None),
        ("What is 1+1?", Say("What is 1+1?")),
        ("  what?  ", Say("what?")),
        ("//etc/hosts is what?", Say("/etc/hosts is what?")),
        ("/effort low", ChooseEffort("low")),
        ("/effort   high ", ChooseEffort("high")),
        ("/effort", ChooseEffort(None)),
        ("/program mine:Program", ChooseProgram("mine:Program")),
        ("/program", ChooseProgram(None)),
        ("/thinking", ToggleThinking()),
        ("/new", Restart()),
        ("/help", Help()),
        (" /quit ", Quit()),
    ],
)
def test_lines_that_mean_something(line: str, command: Command | None) -> None:
    assert read_command(line) == command


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("/efort low", ["/efort", "/effort", "//"]),
        ("/", ["/effort"]),
        ("/effort huge", ["'huge'", "low, medium, high"]),
        ("/program a b", ["'a b'", "one name"]),
        ("/new please", ["/new", "'please'"]),
        ("caf\udce9", ["UTF-8"]),
    ],
)
def test_lines_that_do_not(line: str, named: list[str]) -> None:
    with pytest.raises(InputError) as raised:
        read_command(line)
    for each in named:
        assert each in str(raised.value)


def test_help_tells_of_every_command() -> None:
    assert all(f"/{name}" in HELP for name in READERS)
