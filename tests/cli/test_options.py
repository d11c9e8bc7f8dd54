"""How verbs share their options."""

from __future__ import annotations

import inspect
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from dynasor.cli.run_options import RunOptions
from dynasor.cli.spreading import with_options
from dynasor.errors import InputError
from dynasor.scheduling import AdaptiveCapacity


def told(*arguments: str) -> tuple[str, RunOptions, bool]:
    """What a verb with shared options, an argument and a flag of its own is called with."""
    calls: list[tuple[str, RunOptions, bool]] = []

    @with_options
    def verb(text: str, run: RunOptions, loud: Annotated[bool, typer.Option(help="Shout.")] = False) -> None:
        """Say it."""
        calls.append((text, run, loud))

    app = typer.Typer()
    app.command()(verb)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    assert verb.__doc__ == "Say it."
    return calls[0]


def test_a_verb_gets_the_shared_options_beside_its_own() -> None:
    text, run, loud = told("hello", "--max-samples", "3", "--loud", "--set", "a=1", "--set", "b=2", "-t", "0.5")
    assert (text, loud) == ("hello", True)
    assert run == RunOptions(max_samples=3, set=["a=1", "b=2"], temperature=0.5)


def test_defaults_are_those_of_the_class() -> None:
    assert told("hello")[1] == RunOptions()


def test_the_class_itself_is_no_option() -> None:
    @with_options
    def verb(run: RunOptions) -> None: ...

    assert "run" not in inspect.signature(verb).parameters


def test_what_changes_results_is_in_the_fingerprint_and_keys_are_not() -> None:
    run = RunOptions(set=["b=2", "a=1"], reward="judge", api_key="sk-1", reward_api_key="sk-2")
    fingerprint = run.fingerprint()
    assert (fingerprint["--reward"], fingerprint["--set"]) == ("judge", ["a=1", "b=2"])
    assert "sk-" not in str(fingerprint)
    for changed in (
        RunOptions(set=["a=2"]),
        RunOptions(top_k=20),
        RunOptions(min_p=0.1),
        RunOptions(reward="yes-no"),
        RunOptions(program="best-of-n"),
        RunOptions(max_change=0.5),
        RunOptions(seed=1),
    ):
        assert changed.fingerprint() != RunOptions().fingerprint()


def test_bad_settings_are_found_when_the_program_is_made() -> None:
    with pytest.raises(InputError, match="--set gives a twice"):
        RunOptions(set=["a=1", "a=2"]).make_program(None)


def test_how_many_requests_run_at_once() -> None:
    assert told("hello", "-c", "7")[1].capacity == 7
    assert told("hello")[1].capacity == 32
    assert told("hello", "-c", "auto", "-e", "http://h:1")[1].capacity == AdaptiveCapacity()
    own = told("hello", "-c", "auto")[1]
    assert (own.capacity, own.slots) == (AdaptiveCapacity(most=own.slots), 32)


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", ""])
def test_a_number_of_requests_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match=f"--concurrency is '{text}'; a whole number of at least 1, or auto, was"):
        RunOptions(concurrency=text)


def test_how_to_sample_is_the_runs_sampling() -> None:
    sampling = RunOptions(top_p=0.9, top_k=20, min_p=0.1, thinking=True).make_options().sampling
    assert (sampling.top_p, sampling.top_k, sampling.min_p, sampling.thinking) == (0.9, 20, 0.1, True)
