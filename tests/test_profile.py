"""Profiles: written and read back, and refused where their promise would not hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dynasor.errors import InputError
from dynasor.profile import Expected, Profile, Promise
from dynasor.scheduling import Agreement, Curve, Skyline

PROFILE = Profile(
    model="tiny",
    dataset="sums",
    program="self-consistency",
    max_samples=16,
    allocator=Agreement(0.031, min_share=0.25, prior=(0.2, 0.5, 8.0)),
    promise=Promise("accuracy", 0.01, 0.9),
    expected=Expected(0.61, 0.993, 0.004, 0.002),
    mean_tokens_per_unit=312.5,
    evidence={"questions": 500},
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    PROFILE.save(tmp_path / "p.json")
    assert Profile.load(tmp_path / "p.json") == PROFILE
    assert [path.name for path in tmp_path.iterdir()] == ["p.json"]


def test_a_promise_reads_as_one() -> None:
    assert str(PROFILE.promise) == "loses at most 1.00% of accuracy with confidence 90%"
    assert str(Promise("agreement", 0.99)) == "keeps the full budget's answer on 99.00% of questions"


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"model": "large"}, "the profile is of the model 'tiny', this run has 'large'"),
        ({"program": "rebase"}, "the profile is of the program 'self-consistency', this run has 'rebase'"),
        ({"max_samples": 32}, "the profile is of the max_samples 16, this run has 32"),
    ],
)
def test_a_profile_of_something_else_is_refused(run: dict[str, object], message: str) -> None:
    own: dict[str, object] = {"model": "tiny", "program": "self-consistency", "max_samples": 16}
    PROFILE.check_fits(**own)  # type: ignore[arg-type]  # as it is
    with pytest.raises(InputError, match=message):
        PROFILE.check_fits(**(own | run))  # type: ignore[arg-type]  # one of them differs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a profile: it is not JSON"),
        ("[]", "is not a profile; `dynasor calibrate` writes them"),
        ('{"dynasor_profile": 9}', "a profile of version 9; this dynasor reads version 1"),
        ('{"dynasor_profile": 1}', "is damaged"),
    ],
)
def test_what_is_no_profile_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(InputError, match=message):
        Profile.load(tmp_path / "p.json")


SKYLINE = Skyline({5: Curve(((0.5, 7), (0.9, 0))), 6: Curve()}, "entropy", (0.2, 0.5, 8.0))


def test_a_skyline_is_loaded_as_it_was(tmp_path: Path) -> None:
    profile = replace(PROFILE, allocator=SKYLINE)
    profile.save(tmp_path / "p.json")
    assert json.loads((tmp_path / "p.json").read_text())["allocator"] == {
        "name": "skyline",
        "signal": "entropy",
        "curves": {"5": [[0.5, 7], [0.9, 0]], "6": []},
        "prior": [0.2, 0.5, 8.0],
    }
    assert Profile.load(tmp_path / "p.json") == profile


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "magic"}, "the allocator is 'magic'; agreement or skyline was expected"),
        ({"signal": "mood"}, "the signal is 'mood'; agreement or entropy was expected"),
        ({"curves": {"5": [[0.5, 2], [0.6, 3]]}}, "a curve goes from"),
        ({"curves": {"5": [[0.5]]}}, "not enough values"),
        ({"curves": {"5": [[0.5, 2.5]]}}, "'float' object cannot be interpreted as an integer"),
        ({"curves": {"five": []}}, "five"),
        ({"curves": {"0": []}}, "a curve is for step 0"),
        ({"curves": []}, "curves"),
        ({"prior": [1, 1]}, "not enough values"),
    ],
)
def test_a_damaged_skyline_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    stored = replace(PROFILE, allocator=SKYLINE).to_json()
    stored["allocator"] |= change
    (tmp_path / "p.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=f"is damaged: .*{message}"):
        Profile.load(tmp_path / "p.json")


@pytest.mark.parametrize("prior", [[1, 1], [1, 1, 0], [1, 1, float("inf")], ["a", 1, 1]])
def test_a_damaged_prior_is_refused(tmp_path: Path, prior: list[object]) -> None:
    stored = PROFILE.to_json()
    stored["allocator"]["prior"] = prior
    (tmp_path / "p.json").write_text(json.dumps(stored).replace("Infinity", "1e999"))
    with pytest.raises(InputError, match=r"is damaged|is not JSON"):
        Profile.load(tmp_path / "p.json")


def test_there_is_no_such_profile(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such profile"):
        Profile.load(tmp_path / "none.json")


def test_without_labels_losses_are_not_known(tmp_path: Path) -> None:
    plain = replace(PROFILE, promise=Promise("agreement", 0.99), expected=Expected(0.5, 0.991))
    plain.save(tmp_path / "p.json")
    assert Profile.load(tmp_path / "p.json").expected.harmed is None


def test_an_older_profile_says_nothing_of_tokens(tmp_path: Path) -> None:
    stored = PROFILE.to_json()
    del stored["mean_tokens_per_unit"]
    (tmp_path / "p.json").write_text(json.dumps(stored))
    assert Profile.load(tmp_path / "p.json") == replace(PROFILE, mean_tokens_per_unit=None)


@pytest.mark.parametrize("tokens", [0, -1, "many", [1]])
def test_a_number_of_tokens_that_cannot_be_is_refused(tmp_path: Path, tokens: object) -> None:
    (tmp_path / "p.json").write_text(json.dumps(PROFILE.to_json() | {"mean_tokens_per_unit": tokens}))
    with pytest.raises(InputError, match=r"is damaged: .*mean_tokens_per_unit is"):
        Profile.load(tmp_path / "p.json")
