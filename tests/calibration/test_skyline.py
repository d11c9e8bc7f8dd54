"""Skylines fitted to known populations: curves by hand, and promises that hold on questions they did not see."""

from __future__ import annotations

import pytest

from dynasor.calibration import LearnedSkyline, Looks, ShuffledSamples, fit_skyline
from dynasor.calibration.skyline import curves_of
from dynasor.errors import InputError
from dynasor.replay import RecordedQuestion
from dynasor.replay.replay import replay, standings
from dynasor.scheduling import Curve, Skyline
from tests.calibration.populations import questions
from tests.replay.recorded import question

CAP = 12
INITIAL = Looks(detect_at=4, check_every=None)


def fitted(recorded: list[RecordedQuestion], target_agreement: float, looks: Looks | None = None) -> LearnedSkyline:
    return fit_skyline(ShuffledSamples(recorded, CAP), target_agreement, looks)


def kept_and_saved(rule: Skyline, unseen: list[RecordedQuestion]) -> tuple[float, float]:
    """Through the code that replays, not the one that fits."""
    kept = drawn = 0
    for each in unseen:
        samples = each.samples[:CAP]
        reached = standings(samples, [10] * len(samples), rule.prior)
        outcome = replay(rule, reached)
        kept += outcome.answer == reached[-1].answer
        drawn += outcome.drawn
    return kept / len(unseen), 1 - drawn / (CAP * len(unseen))


def test_a_curve_is_the_upper_envelope_and_trimming_lowers_it() -> None:
    heights = {5: {0.2: (9, 8, 0, 0), 0.5: (3, 0, 0, 0), 0.6: (4, 4, 1, 0), 1.0: (2, 0, 0, 0)}}
    assert curves_of(heights, 0.0)[5] == Curve(((0.2, 9), (0.5, 4), (1.0, 2)))
    assert curves_of(heights, 0.25)[5] == Curve(((0.2, 8), (0.5, 4), (1.0, 0))), "one of four walks lies above"
    assert curves_of(heights, 0.5)[5] == Curve(((0.2, 1), (1.0, 0)))


def test_what_never_changes_stops_at_the_first_look() -> None:
    always = [question(str(number), "a" * CAP) for number in range(40)]
    learned = fitted(always, 0.99)
    assert (learned.saved, learned.kept) == (1 - 1 / CAP, 1.0)
    assert learned.allocator.curves[1].knots[-1][1] == 0


@pytest.mark.parametrize("looks", [Looks(), Looks(check_every=3), Looks("entropy"), INITIAL], ids=str)
def test_answers_are_kept_on_unseen_questions(looks: Looks) -> None:
    learned = fitted(questions(300, CAP, seed=1), 0.97, looks)
    kept, saved = kept_and_saved(learned.allocator, questions(600, CAP, seed=2))
    assert learned.kept >= 0.97
    assert kept >= 0.96
    assert saved == pytest.approx(learned.saved, abs=0.05)
    assert saved > 0.25


def test_the_promise_holds_over_many_populations() -> None:
    kept = [
        kept_and_saved(fitted(questions(80, CAP, seed), 0.97).allocator, questions(300, CAP, seed + 100))[0]
        for seed in range(8)
    ]
    assert sum(kept) / len(kept) >= 0.965


def test_looking_at_every_step_saves_more_than_looking_once() -> None:
    population = questions(300, CAP, seed=3)
    assert fitted(population, 0.97).saved > fitted(population, 0.97, INITIAL).saved


def test_a_weaker_promise_saves_more() -> None:
    population = questions(300, CAP, seed=4)
    saved = [fitted(population, target).saved for target in (0.999, 0.99, 0.97, 0.9)]
    assert saved == sorted(saved)
    assert saved[0] < saved[-1]


def test_labels_are_not_looked_at() -> None:
    plain = questions(120, CAP, seed=5)
    assert fitted(plain, 0.97) == fitted([each.without_marks() for each in plain], 0.97)


def test_where_no_curve_keeps_the_promise_all_run_to_the_cap() -> None:
    """One way through each of 30 questions: those that a curve was not fitted to change more often than promised."""
    learned = fit_skyline(ShuffledSamples(questions(30, CAP, seed=0), CAP, shuffles=1), 0.99)
    assert (learned.allocator.curves, learned.saved, learned.kept) == ({}, 0.0, 1.0)
    assert kept_and_saved(learned.allocator, questions(50, CAP, seed=1)) == (1.0, 0.0)


def test_too_few_questions_for_the_promise_are_refused() -> None:
    with pytest.raises(InputError, match=r"29 questions are too few.*at least 30"):
        fitted(questions(29, CAP, seed=1), 0.99)
    with pytest.raises(InputError, match="target_agreement is 1"):
        fitted(questions(29, CAP, seed=1), 1.0)
    with pytest.raises(InputError, match=r"4 questions are too few.*at least 5"):
        fitted(questions(4, CAP, seed=1), 0.5)


def test_looks_are_read_from_a_text() -> None:
    assert Looks.of_text("skyline") == Looks("agreement", 1, 1)
    assert Looks.of_text("skyline:detect_at=5,check_every=none,signal=entropy") == Looks("entropy", 5, None)
    assert list(Looks(detect_at=5).steps(8)) == [5, 6, 7]
    assert list(Looks(detect_at=5, check_every=None).steps(8)) == [5]
    assert list(Looks(detect_at=8, check_every=None).steps(8)) == [], "at the cap there is nothing to decide"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("skyline:signal=reward", "signal of skyline is 'reward'; agreement or entropy was expected"),
        ("skyline:window=3", "skyline has no parameter 'window'; it takes signal=agreement, detect_at=1"),
        ("skyline:detect_at=0", "detect_at is 0; at least 1 was expected"),
    ],
)
def test_looks_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Looks.of_text(text)
