"""What holds for every verb: the same option is the same thing, help has an example, the reference is up to date."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from dynasor.cli.exit_codes import ExitCode
from dynasor.cli.main import app
from dynasor.cli.reference import flags_of, reference, value_of, verbs_of
from dynasor.errors import BadProgram, EngineTimeout, SimulationFault
from tests.cli.running import COMMAND, NO_TERMINAL, dynasor

VERBS: dict[str, Any] = dict(verbs_of(get_command(app)))
PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
WITHOUT_JSON = ("chat", "questions")
"""A conversation, and what is JSON lines anyway."""


def options_of(verb: Any) -> list[Any]:
    return [each for each in verb.params if each.param_type_name == "option"]


def kinds_of(option: Any) -> frozenset[str]:
    """What stands after the flag, in all its forms: INTEGER or auto, say. Nothing after a switch."""
    return frozenset() if option.is_flag else frozenset(value_of(option).strip("`").replace("\\", "").split("|"))


def test_an_option_takes_the_same_in_every_verb() -> None:
    """Or some of its forms, where a verb has no use for the others."""
    takes: defaultdict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    for name, verb in VERBS.items():
        for option in options_of(verb):
            takes[max(option.opts, key=len)][name] = kinds_of(option)
    for flag, kinds in takes.items():
        widest = max(kinds.values(), key=len)
        assert all(kind == widest or (kind and kind < widest) for kind in kinds.values()), (flag, kinds)


def test_a_short_flag_stands_for_the_same_everywhere() -> None:
    means: defaultdict[str, set[str]] = defaultdict(set)
    for verb in VERBS.values():
        for option in options_of(verb):
            for flag in option.opts:
                if not flag.startswith("--"):
                    means[flag].add(max(option.opts, key=len))
    assert {flag: names for flag, names in means.items() if len(names) > 1} == {}


@pytest.mark.parametrize("name", VERBS)
def test_help_has_an_example_and_says_what_every_option_is_for(name: str) -> None:
    verb = VERBS[name]
    assert f"`dynasor {name}" in verb.help
    assert "Example: " in verb.help
    assert [flags_of(option) for option in options_of(verb) if not option.help] == []


@pytest.mark.parametrize("name", [name for name in VERBS if name not in WITHOUT_JSON])
def test_verbs_can_print_json(name: str) -> None:
    assert "--json" in {flag for option in options_of(VERBS[name]) for flag in option.opts}


def test_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), "run python -m scripts.write_cli_reference"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadProgram("no"), 2),
        (FileNotFoundError("no"), 2),
        (EngineTimeout("silent"), 3),
        (SimulationFault("stuck"), 1),
    ],
)
def test_errors_have_their_exit_codes(error: Any, code: int) -> None:
    assert ExitCode.of_error(error) == code


@pytest.mark.parametrize(("columns", "has_table"), [(80, False), (160, True)])
def test_help_cuts_no_word_whatever_the_width(columns: int, has_table: bool) -> None:
    environment = {**NO_TERMINAL, "COLUMNS": str(columns)}
    done = subprocess.run([*COMMAND, "batch", "--help"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(len(line) <= columns for line in done.stdout.splitlines())
    assert "…" not in done.stdout
    assert ("╭" in done.stdout) is has_table


def test_an_unknown_verb_or_option_is_bad_input() -> None:
    assert dynasor("slove").returncode == ExitCode.BAD_INPUT
    assert dynasor("solve", "1+1", "--engin", "x").returncode == ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("dynasor ba", "batch"),
        ("dynasor solve --eng", "--engine"),
        ("dynasor solve --program best", "best-of-n"),
        ("dynasor simulate --policy ga", "gang"),
    ],
)
def test_the_shell_completes_verbs_options_and_values(words: str, expected: str) -> None:
    asked = {"_DYNASOR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'dynasor'; from dynasor.cli import main; main()"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert expected in done.stdout.split(), done.stderr


def test_a_pipe_gets_plain_lines(tmp_path: Path) -> None:
    arguments = ("simulate", "--programs", "4", "--rate", "20", "-n", "2", "--policy", "gang")
    done = subprocess.run([*COMMAND, *arguments], env=NO_TERMINAL, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("4 programs on a100-80gb-llama-3.1-8b, 64 requests at once\n")
    assert not set(done.stdout) & set("│┃━─╭┏")
    assert "\x1b" not in done.stdout + done.stderr
