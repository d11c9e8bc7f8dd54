"""What allocators come to on a trace, by hand on small ones and against published figures on real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dynasor.errors import InputError
from dynasor.replay import Contender, Plan, RecordedQuestion, Trace, score
from dynasor.scheduling import Agreement, Fixed, Threshold
from dynasor.scheduling.known_rules import AdaptiveConsistency, EarlyStopping, Length
from dynasor.vocabulary import JSON
from tests.replay.recorded import question, shared_trace

FIXED = Contender("fixed", Fixed())
AGREEMENT = Contender("agreement", Agreement())
SURE, WRONG, SPLIT = question("sure", "a" * 12), question("wrong", "b" * 12), question("split", "aaaaaabbbbbb")


def trace(*questions: RecordedQuestion) -> Trace:
    return Trace("t", questions)


def rows(of: Trace, contenders: Sequence[Contender], plan: Plan) -> list[JSON]:
    return [each.to_json() for each in score(of, contenders, plan)]


def test_by_hand() -> None:
    plan = Plan(max_samples=8, shuffles=2)
    fixed, early = rows(trace(SURE, WRONG), [FIXED, Contender("early", EarlyStopping(2))], plan)
    assert early == {
        "trace": "t",
        "calibrated": False,
        "allocator": "early",
        "questions": 2,
        "marked_questions": 2,
        "max_samples": 8,
        "questions_below_max_samples": 0,
        "fixed_accuracy": 0.5,
        "fixed_accuracy_std": 0.0,
        "accuracy": 0.5,
        "accuracy_std": 0.0,
        "samples_per_question": 2.0,
        "samples_per_question_std": 0.0,
        "samples_started_per_question": 2.0,
        "samples_started_per_question_std": 0.0,
        "saved": 0.75,
        "saved_std": 0.0,
        "agreement": 1.0,
        "agreement_std": 0.0,
        "even_samples_at_equal_accuracy": 1,
        "judged_tokens": None,
        "shuffles": 2,
        "seed": 0,
    }
    assert (fixed["saved"], fixed["samples_per_question"], fixed["agreement"]) == (0.0, 8.0, 1.0)


def test_all_allocators_see_the_same_shuffles_and_a_seed_fixes_them() -> None:
    questions = trace(*(replace(SPLIT, id=str(number)) for number in range(40)))
    plan = Plan(max_samples=7, shuffles=3, seed=4)
    alone = rows(questions, [AGREEMENT], plan)[0]
    assert alone == rows(questions, [FIXED, AGREEMENT], plan)[1]
    assert alone != rows(questions, [AGREEMENT], replace(plan, seed=5))[0] | {"seed": 4}
    assert alone["accuracy_std"] > 0


def test_a_question_is_shuffled_by_itself_whatever_the_others_are() -> None:
    plan = Plan(max_samples=5, shuffles=1)
    both = score(trace(SPLIT, replace(SPLIT, id="x")), [AGREEMENT], plan)[0].tallies[0]
    single = [score(trace(each), [AGREEMENT], plan)[0].tallies[0] for each in (SPLIT, replace(SPLIT, id="x"))]
    assert both.drawn == sum(tally.drawn for tally in single)


def test_fewer_samples_than_the_cap_are_the_cap_and_it_is_said() -> None:
    short = question("short", "aa")
    row = rows(trace(SURE, short), [FIXED], Plan(max_samples=8))[0]
    assert row["questions_below_max_samples"] == 1
    assert row["samples_per_question"] == 5.0
    assert row["saved"] == 0.0
    assert row["agreement"] == 1.0


def test_without_marks_everything_but_accuracy_is_known() -> None:
    row = rows(trace(question("q", "aaaaaaaa", None)), [AGREEMENT], Plan(max_samples=8))[0]
    unknown = ("accuracy", "accuracy_std", "fixed_accuracy", "fixed_accuracy_std", "even_samples_at_equal_accuracy")
    assert [row[name] for name in unknown] == [None] * 5
    assert row["marked_questions"] == 0
    assert row["saved"] == 1 - 3 / 8
    assert row["agreement"] == 1.0


def test_accuracy_is_over_the_questions_that_are_marked() -> None:
    row = rows(trace(SURE, question("q", "bbbb", None)), [FIXED], Plan(max_samples=4))[0]
    assert (row["accuracy"], row["questions"], row["marked_questions"]) == (1.0, 2, 1)


def test_no_answer_at_all_is_wrong_and_agrees_with_itself() -> None:
    row = rows(trace(question("q", "----", None)), [FIXED], Plan(max_samples=4))[0]
    assert (row["accuracy"], row["agreement"]) == (0.0, 1.0)


def test_a_single_shuffle_has_no_spread() -> None:
    row = rows(trace(SURE), [FIXED], Plan(shuffles=1))[0]
    assert {row[name] for name in row if name.endswith("_std")} == {None}


def test_even_samples_is_the_smallest_allocation_that_is_right_as_often() -> None:
    """Of three samples, one is wrong: a majority of three is always right, one or two are not in every order."""
    questions = trace(*(question(str(number), "aab") for number in range(30)))
    assert rows(questions, [FIXED], Plan(max_samples=3))[0]["even_samples_at_equal_accuracy"] == 3


def test_no_even_allocation_may_reach_it() -> None:
    """Where the majority is wrong the first sample is better, elsewhere all three are; only an allocator can tell."""
    short = [lasting(10, question(f"short {number}", "abb")) for number in range(30)]
    long = [lasting(20, question(f"long {number}", "aab")) for number in range(30)]
    row = rows(trace(*short, *long), [Contender("length", Length(10, detect_at=1))], Plan(max_samples=3))[0]
    assert row["accuracy"] > row["fixed_accuracy"] == 0.5
    assert row["even_samples_at_equal_accuracy"] is None


def lasting(tokens: int | None, of: RecordedQuestion, chars: int | None = None) -> RecordedQuestion:
    samples = (replace(sample, tokens=tokens, chars=chars) for sample in of.samples)
    return RecordedQuestion(of.id, tuple(samples))


LENGTHS = [Contender("length", Length(50, detect_at=2))]


def test_lengths_are_tokens_or_else_characters() -> None:
    def row(tokens: int | None, chars: int | None) -> JSON:
        return rows(trace(lasting(tokens, SURE, chars)), LENGTHS, Plan(max_samples=8))[0]

    assert (row(25, 999)["samples_per_question"], row(25, 999)["judged_tokens"]) == (2.0, "recorded")
    assert row(26, None)["samples_per_question"] == 8.0
    assert (row(None, 100)["samples_per_question"], row(None, 100)["judged_tokens"]) == (2.0, "chars")
    with pytest.raises(InputError, match="t has samples without tokens and chars, which length judges"):
        row(None, None)


def test_calibration_sees_one_part_without_marks_and_is_scored_on_the_other() -> None:
    seen: list[list[RecordedQuestion]] = []

    def calibrate(questions: Sequence[RecordedQuestion], cap: int, target_agreement: float) -> list[Contender]:
        assert (cap, target_agreement) == (6, 0.9)
        assert all(sample.correct is None for each in questions for sample in each.samples)
        seen.append(list(questions))
        return [Contender("agreement", EarlyStopping(2), (0.5, 0.5, 0.5))]

    questions = trace(*(question(str(number), "aaaaaaaa") for number in range(10)))
    plan = Plan(max_samples=6, calibrate_on=0.3, target_agreement=0.9)
    calls: list[None] = []
    learned, fixed = score(questions, [FIXED], plan, calibrate=calibrate, advance=lambda: calls.append(None))
    assert [len(part) for part in seen] == [3, 3, 3]
    assert len({tuple(each.id for each in part) for part in seen}) > 1, "every shuffle learns from a part of its own"
    assert learned.to_json()["allocator"] == "agreement"
    assert learned.to_json()["calibrated"] is True
    assert fixed.to_json()["calibrated"] is False
    assert learned.to_json()["samples_per_question"] == 2.0
    assert fixed.to_json()["questions"] == learned.to_json()["questions"] == 7
    assert len(calls) == 3 * plan.num_scored(10) == 21


def test_what_is_learned_from_is_not_scored() -> None:
    """Ten questions say a, which is right, ten say b: the a of both parts add up to ten in every shuffle."""
    questions = [question(str(number), "aa" if number < 10 else "bb") for number in range(20)]
    learned: list[int] = []

    def calibrate(part: Sequence[RecordedQuestion], cap: int, target_agreement: float) -> list[Contender]:
        learned.append(sum(each.samples[0].answer == "a" for each in part))
        return [replace(FIXED, name="learned")]

    plan = Plan(max_samples=2, shuffles=8, calibrate_on=0.5)
    tallies = score(trace(*questions), [FIXED], plan, calibrate=calibrate)[0].tallies
    assert [number + tally.right for number, tally in zip(learned, tallies, strict=True)] == [10] * 8
    assert len(set(learned)) > 1


def test_the_prior_of_a_contender_is_that_of_its_votes() -> None:
    priors = (1.0, 5.0, 1.0), (9.0, 0.1, 0.1)
    contenders = [Contender(str(prior), Agreement(prior=prior), prior) for prior in priors]
    cautious, bold = rows(trace(SURE), contenders, Plan(max_samples=12))
    assert cautious["samples_per_question"] > bold["samples_per_question"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_samples": 0}, "max_samples is 0; at least 1 was expected"),
        ({"shuffles": 0}, "shuffles is 0; at least 1 was expected"),
        ({"calibrate_on": 0.0}, "calibrate_on is 0.0; a number between 0 and 1 was expected"),
        ({"calibrate_on": 1.0}, "calibrate_on is 1.0; a number between 0 and 1 was expected"),
        ({"calibrate_on": float("nan")}, "calibrate_on is nan; a number between 0 and 1 was expected"),
        ({"target_agreement": 1.0}, "target_agreement is 1.0; a number between 0 and 1 was expected"),
    ],
)
def test_a_plan_that_cannot_be_followed(changes: JSON, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Plan(**changes)
    assert str(caught.value) == message


def test_calibration_needs_two_questions_and_something_to_learn_with() -> None:
    plan = Plan(calibrate_on=0.5)
    with pytest.raises(InputError, match="calibrate_on is not available here"):
        score(trace(SURE, WRONG), [FIXED], plan)
    with pytest.raises(InputError, match="t has one question"):
        score(trace(SURE), [FIXED], plan, calibrate=lambda questions, cap, target: [FIXED])


PUBLISHED = [
    # trace, cap, fixed accuracy, saved by the paper's rule, by Adaptive-Consistency, by ESC
    ("pot_svamp_codex_30", 20, 0.881, 0.48, 0.64, 0.53),
    ("faithfulcot_gsm8k_codex_15prompts", 15, 0.824, 0.24, 0.44, 0.27),
    ("verifycot_date_chatgpt_10", 10, 0.724, 0.28, 0.37, 0.23),
    ("cruxeval_output_codellama7b_10", 10, 0.342, 0.28, 0.38, 0.28),
    ("tot_game24_gpt4_cot100", 20, 0.053, 0.0, 0.03, 0.0),
]


@pytest.mark.parametrize(("name", "cap", "accuracy", "paper", "adaptive", "early"), PUBLISHED)
def test_known_rules_save_on_real_samples_what_was_measured_with_other_code(
    name: str, cap: int, accuracy: float, paper: float, adaptive: float, early: float
) -> None:
    """Saved to 2.5 points; the paper's rule to 6, for other code left samples without an answer out of the entropy."""
    contenders = [
        Contender("paper", Threshold()),
        Contender("adaptive", AdaptiveConsistency()),
        Contender("early", EarlyStopping()),
    ]
    found = rows(shared_trace(name), contenders, Plan(max_samples=cap, shuffles=2))
    assert found[0]["fixed_accuracy"] == pytest.approx(accuracy, abs=0.03)
    assert found[0]["saved"] == pytest.approx(paper, abs=0.06)
    assert found[1]["saved"] == pytest.approx(adaptive, abs=0.025)
    assert found[2]["saved"] == pytest.approx(early, abs=0.025)
    for row in found:
        assert row["agreement"] > 0.995
        assert row["accuracy"] == pytest.approx(row["fixed_accuracy"], abs=0.005)
