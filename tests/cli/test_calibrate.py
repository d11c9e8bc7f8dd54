"""``dynasor calibrate`` and ``--profile`` as real processes: what one writes the other goes by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.calibration.populations import questions
from tests.cli.running import dynasor

CAP = 8


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Recorded samples of 150 questions, said to be of the embedded model."""
    path = tmp_path / "samples.jsonl"
    lines = [
        json.dumps(
            {
                "id": question.id,
                "model": "dynasor-tiny",
                "samples": [
                    {"answer": sample.answer, "correct": sample.correct, "tokens": sample.tokens}
                    for sample in question.samples
                ],
            }
        )
        for question in questions(150, CAP, seed=1)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_profile_is_learned_and_used(samples: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    done = dynasor("calibrate", samples, "--output", profile, "--target-agreement", "0.95", "--json")
    assert done.returncode == 0, done.stderr
    stored = json.loads(profile.read_text())
    assert json.loads(done.stdout) == stored
    assert (stored["model"], stored["max_samples"], stored["program"]) == ("dynasor-tiny", CAP, "self-consistency")
    assert stored["expected"]["kept"] >= 0.95
    assert stored["expected"]["saved"] > 0.3
    assert stored["mean_tokens_per_unit"] == 10
    question = "A shop has 7 boxes of 12 pens. How many pens are there?"
    done = dynasor("solve", question, "--profile", profile, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] <= CAP
    done = dynasor("solve", question, "--profile", profile, "-n", "16")
    assert done.returncode == 2
    assert "the profile is of the max_samples 8, this run has 16" in done.stderr


def test_a_skyline_is_learned_and_used(samples: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    done = dynasor("calibrate", samples, "-o", profile, "--target-agreement", "0.95", "--rule", "skyline")
    assert done.returncode == 0, done.stderr
    assert "a curve each for 7 steps from 1 on" in done.stdout
    stored = json.loads(profile.read_text())
    assert (stored["allocator"]["name"], len(stored["allocator"]["curves"])) == ("skyline", CAP - 1)
    assert stored["expected"]["kept"] >= 0.95
    assert stored["expected"]["saved"] > 0.3
    done = dynasor("solve", "1 + 1 = ?", "--profile", profile, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["samples"] <= CAP
    assert answer["stop_reason"] in ("certain", "cap")


def test_labels_give_a_bound_on_the_loss(samples: Path, tmp_path: Path) -> None:
    done = dynasor("calibrate", samples, "--output", tmp_path / "p.json", "--max-loss", "0.05", "--json")
    assert done.returncode == 0, done.stderr
    stored = json.loads(done.stdout)
    assert stored["promise"] == {"kind": "accuracy", "value": 0.05, "confidence": 0.9}
    assert stored["evidence"]["frontier"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target-agreement", "0.999"], "150 questions are too few to keep 99.90% of answers: at least 300"),
        (["--max-loss", "0.001"], "150 questions are too few to lose at most 0.10%"),
        (["--max-loss", "0.1", "--target-agreement", "0.9"], "choose one"),
        (["--max-samples", "9"], "has 8 samples; a cap of 9 needs as many"),
        (["--program", "mcts"], '"looks" is missing'),
        (["--rule", "magic"], "--rule is 'magic'; agreement or skyline was expected"),
        (["--rule", "skyline:window=2"], "skyline has no parameter 'window'"),
        (["--rule", "skyline", "--max-loss", "0.1"], "the skyline is learned without labels"),
        (["--rule", "skyline", "--target-agreement", "0.999"], "150 questions are too few to keep 99.90% of answers"),
    ],
)
def test_what_cannot_be_promised_is_refused(samples: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = dynasor("calibrate", samples, "--output", tmp_path / "p.json", *arguments)
    assert done.returncode == 2
    assert message in done.stderr.replace("\n", " ")
    assert not (tmp_path / "p.json").exists()


def test_two_that_say_when_to_stop_are_one_too_many(tmp_path: Path) -> None:
    done = dynasor("solve", "1+1?", "--preset", "paper/sc-gsm8k", "--allocator", "fixed")
    assert done.returncode == 2
    assert "--allocator and --preset both say when to stop" in done.stderr
    done = dynasor("solve", "1+1?", "--preset", "paper/sc-gsm8k", "--max-change", "0.1")
    assert "--max-change means nothing beside --preset" in done.stderr
