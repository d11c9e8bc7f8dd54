"""Calibration on known populations: promises hold on questions it did not see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dynasor import calibration
from dynasor.calibration import Learned, ShuffledSamples, WatchedRuns
from dynasor.calibration.sweep import sweep
from dynasor.calibration.walks import shuffled_walks, walk
from dynasor.certainty import UNIFORM
from dynasor.errors import InputError
from dynasor.replay import Look, RecordedQuestion, RecordedRun, RecordedSample, read_runs
from dynasor.replay.replay import replay, standings
from dynasor.scheduling import Agreement
from tests.calibration.populations import questions

CAP = 12


def without_labels(recorded: list[RecordedQuestion], cap: int, target_agreement: float) -> Learned:
    return calibration.without_labels(ShuffledSamples(recorded, cap), target_agreement)


def with_labels(recorded: list[RecordedQuestion], cap: int, max_loss: float) -> Learned:
    return calibration.with_labels(ShuffledSamples(recorded, cap), max_loss)


def rule_of(learned: Learned) -> Agreement:
    return Agreement(learned.rule.max_change, min_share=learned.rule.min_share, prior=learned.prior)


def kept_and_saved(learned: Learned, unseen: list[RecordedQuestion]) -> tuple[float, float]:
    """Through the code that replays, not the sweep that calibrated."""
    kept = drawn = 0
    for question in unseen:
        samples = question.samples[:CAP]
        reached = standings(samples, [10] * len(samples), learned.prior)
        outcome = replay(rule_of(learned), reached)
        kept += outcome.answer == reached[-1].answer
        drawn += outcome.drawn
    return kept / len(unseen), 1 - drawn / (CAP * len(unseen))


def test_without_labels_answers_are_kept_on_unseen_questions() -> None:
    learned = without_labels(questions(300, CAP, seed=1), CAP, 0.97)
    kept, saved = kept_and_saved(learned, questions(600, CAP, seed=2))
    assert kept >= 0.96
    assert saved == pytest.approx(learned.rule.saved, abs=0.05)
    assert saved > 0.3


def test_labels_are_not_looked_at_without_labels() -> None:
    plain = questions(120, CAP, seed=3)
    assert without_labels(plain, CAP, 0.97) == without_labels([each.without_marks() for each in plain], CAP, 0.97)


def test_a_weaker_promise_saves_more() -> None:
    population = questions(300, CAP, seed=4)
    saved = [without_labels(population, CAP, target).rule.saved for target in (0.999, 0.99, 0.97, 0.9)]
    assert saved == sorted(saved)
    assert saved[0] < saved[-1]


def test_with_labels_little_accuracy_is_lost_on_unseen_questions() -> None:
    learned = with_labels(questions(400, CAP, seed=5), CAP, max_loss=0.03)
    unseen = shuffled_walks(questions(600, CAP, seed=6), CAP, "majority", 3, 0)
    min_share = learned.rule.min_share
    rules = list(sweep([walk.course(learned.prior, min_share) for walk in unseen], min_share))
    reached = max((rule for rule in rules if rule.max_change <= learned.rule.max_change), key=lambda rule: rule.saved)
    assert reached.harmed - reached.helped <= 0.03
    assert learned.rule.saved > 0.3


def test_with_labels_the_hopeless_are_given_up_where_that_costs_nothing() -> None:
    learned = with_labels(questions(400, CAP, seed=7, hopeless=0.4), CAP, max_loss=0.03)
    assert learned.rule.min_share > 0
    assert learned.rule.saved > without_labels(questions(400, CAP, seed=7, hopeless=0.4), CAP, 0.97).rule.saved


def test_the_frontier_trades_saving_against_loss() -> None:
    frontier = with_labels(questions(300, CAP, seed=8), CAP, max_loss=0.05).frontier
    assert len(frontier) > 3
    assert [rule.saved for rule in frontier] == sorted(rule.saved for rule in frontier)
    assert [rule.harmed for rule in frontier] == sorted(rule.harmed for rule in frontier)


def test_agreement_is_reliable_after_learning_the_prior() -> None:
    learned = without_labels(questions(400, CAP, seed=9), CAP, 0.97)
    assert learned.reliability.error < 0.03
    assert sum(decile.times for decile in learned.reliability.deciles) > 10_000


@pytest.mark.parametrize(
    ("number", "target", "needed"), [(29, 0.99, "at least 30"), (5, 0.95, "at least 6"), (200, 0.999, "at least 300")]
)
def test_too_few_questions_for_the_promise_are_refused(number: int, target: float, needed: str) -> None:
    with pytest.raises(InputError, match=f"{number} questions are too few.*{needed}"):
        without_labels(questions(number, CAP, seed=1), CAP, target)


def test_too_few_questions_for_a_bound_are_refused() -> None:
    with pytest.raises(InputError, match=r"20 questions are too few to lose at most 1.00%.*at least 513"):
        with_labels(questions(20, CAP, seed=1), CAP, 0.01)


def test_labels_must_be_there_to_calibrate_with_them() -> None:
    population = [each.without_marks() for each in questions(200, CAP, seed=1)]
    with pytest.raises(InputError, match="needs `correct`"):
        with_labels(population, CAP, 0.05)


@pytest.mark.parametrize("target", [0.0, 1.0, -1.0, float("nan")])
def test_a_target_outside_its_range_is_refused(target: float) -> None:
    with pytest.raises(InputError, match="target_agreement is"):
        without_labels(questions(40, CAP, seed=1), CAP, target)


def test_questions_where_nothing_ever_changes_stop_at_once() -> None:
    always = RecordedQuestion("q", tuple(RecordedSample("7", True) for _ in range(CAP)))
    learned = without_labels([replace(always, id=str(i)) for i in range(60)], CAP, 0.99)
    assert learned.rule.kept == 1.0
    assert learned.rule.saved > 0.8


def test_a_sweep_says_what_stopping_there_does() -> None:
    """Each rule of the sweep, replayed sample by sample, comes to the same numbers."""
    walks = shuffled_walks(questions(40, CAP, seed=10), CAP, "majority", 4, 0)
    for rule in list(sweep([each.course(UNIFORM) for each in walks]))[::25]:
        stops = [
            next((i for i, lead in enumerate(each.leads) if 1 - lead.agreement(CAP) <= rule.max_change), CAP - 1)
            for each in walks
        ]
        assert rule.saved == pytest.approx(1 - sum(stop + 1 for stop in stops) / (CAP * len(walks)))
        assert rule.kept == pytest.approx(sum(w.kept[s] for w, s in zip(walks, stops, strict=True)) / len(walks))


def test_a_walk_knows_what_was_kept_and_right() -> None:
    samples = [RecordedSample(answer, answer == "a") for answer in ("b", "a", None, "a")]
    found = walk(0, samples, "majority", {None: False, "a": True, "b": False})
    assert found.kept == (False, False, False, True)
    assert found.right == (False, False, False, True)


def watched(number: int, end: str) -> RecordedRun:
    """A chain that says "a" from its second look on, always as sure, and ends with ``end``."""
    looks = [(1, 0.0, None), (2, 0.5, "a"), (3, 0.8, "a"), (4, 0.9, "a"), (8, 1.0, end)]
    return RecordedRun(str(number), tuple(Look(*look, correct=look[2] == "a") for look in looks), max_samples=8)


def test_a_watched_program_stops_where_its_answer_is_kept() -> None:
    kept = calibration.without_labels(WatchedRuns([watched(i, "a") for i in range(60)]), 0.99)
    assert (kept.rule.max_change, kept.rule.saved, kept.rule.kept) == (0.5, 0.75, 1.0)
    changed = calibration.without_labels(WatchedRuns([watched(i, "b" if i % 4 else "a") for i in range(60)]), 0.99)
    assert changed.rule.saved == 0.0


def test_with_labels_a_watched_program_stops_where_going_on_makes_it_worse() -> None:
    worse = calibration.with_labels(WatchedRuns([watched(i, "b") for i in range(90)]), 0.05)
    assert (worse.rule.max_change, worse.rule.saved, worse.rule.helped) == (0.5, 0.75, 1.0)


def test_agreement_of_watched_programs_is_held_against_their_ends() -> None:
    found = WatchedRuns([watched(i, "b" if i % 2 else "a") for i in range(60)]).reliability()
    assert [decile.predicted for decile in found.deciles] == pytest.approx([0.5, 0.8, 0.9])
    assert [decile.observed for decile in found.deciles] == [0.5, 0.5, 0.5]


def test_what_a_unit_took_is_measured_where_it_was_recorded() -> None:
    runs = [replace(watched(0, "a"), tokens=800), replace(watched(1, "a"), tokens=240), watched(2, "a")]
    assert WatchedRuns(runs).mean_tokens_per_unit == (800 + 240) / 16
    assert WatchedRuns(runs[2:]).mean_tokens_per_unit is None
    two = RecordedQuestion("q", (RecordedSample("a", tokens=100), RecordedSample("a", tokens=50)))
    assert ShuffledSamples([two], 2).mean_tokens_per_unit == 75
    assert ShuffledSamples([RecordedQuestion("q", (RecordedSample("a"),) * 2)], 2).mean_tokens_per_unit is None


def test_a_result_line_tells_what_a_run_took(tmp_path: Path) -> None:
    line = {"id": "q", "max_samples": 8, "looks": [{"units": 4, "agreement": 1.0, "answer": "a"}]}
    usage = {"main": 70, "probe": 20, "score": 0, "cancelled": 10}
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in (line, line | {"id": "p", "usage": usage})))
    assert [run.tokens for run in read_runs(path).runs] == [None, 100]
