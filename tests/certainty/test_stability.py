"""The certaindex of a chain of thought, from what its probes found."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor.certainty import (
    AGREEMENT,
    CONFIDENCE,
    ENTROPY,
    STABILITY,
    ChainPrior,
    Unsure,
    certaindex_of_chain,
    mean_probability,
    probes_to_come,
)
from dynasor.certainty.stability import answer_stays, entropy_of_answers, run_length, stability

ANSWERS = st.lists(st.sampled_from(["1", "2", "3", None]), max_size=12)
PATIENT = settings(deadline=None)
PRIORS = st.builds(ChainPrior, st.floats(0.01, 3), st.floats(0.01, 3))


class TestStability:
    @pytest.mark.parametrize(
        ("answers", "window", "expected"),
        [
            ([], 3, 0),
            (["7"], 3, 1 / 3),
            (["7", "7", "7"], 3, 1),
            (["5", "7", "7"], 3, 2 / 3),
            (["7", "5", "7"], 3, 2 / 3),
            (["7", "7", "5"], 3, 1 / 3),
            (["5", "7", "7", "7"], 3, 1),
            (["1", "2", "3"], 3, 1 / 3),
        ],
    )
    def test_is_the_share_of_the_window_that_gave_the_latest_answer(
        self, answers: list[str | None], window: int, expected: float
    ) -> None:
        assert stability(answers, window) == pytest.approx(expected)

    @PATIENT
    @given(ANSWERS, st.integers(1, 6))
    def test_is_the_papers_sum(self, answers: list[str | None], window: int) -> None:
        latest = answers[-1] if answers else None
        terms = [latest is not None and answer == latest for answer in answers[-window:]]
        assert stability(answers, window) == pytest.approx(sum(terms) / window)

    def test_a_probe_without_an_answer_resets_it_or_is_as_if_not_sent(self) -> None:
        hesitant = ["7", "7", None, "7"]
        assert stability(hesitant, 3, "reset") == pytest.approx(2 / 3)
        assert stability(hesitant, 3, "omit") == 1
        assert stability(["7", "7", "7", None], 3, "reset") == 0
        assert stability(["7", "7", "7", None], 3, "omit") == 1

    @PATIENT
    @given(st.integers(0, 9), st.integers(1, 6), st.sampled_from(["reset", "omit"]))
    def test_probes_without_any_answer_are_never_stable(self, sent: int, window: int, unsure: Unsure) -> None:
        """Their equality is that of nothing with nothing."""
        assert stability([None] * sent, window, unsure) == 0
        assert answer_stays([None] * sent, 0, unsure=unsure) == 0


class TestEntropy:
    @PATIENT
    @given(ANSWERS, st.integers(2, 6))
    def test_is_1_where_the_whole_window_agrees_and_only_there(self, answers: list[str | None], window: int) -> None:
        agrees = len(answers) >= window and answers[-1] is not None and len(set(answers[-window:])) == 1
        assert (entropy_of_answers(answers, window) == pytest.approx(1)) is agrees

    def test_is_0_where_all_differ(self) -> None:
        assert entropy_of_answers(["1", "2", "3"], 3) == pytest.approx(0)


class TestAgreement:
    @PATIENT
    @given(ANSWERS, st.integers(0, 40), PRIORS)
    def test_is_the_product_of_the_chances_to_stay(
        self, answers: list[str | None], to_come: int, prior: ChainPrior
    ) -> None:
        """After each further stay the next one is likelier."""
        run = run_length(answers)
        stays = [prior.stays + run - 1 + seen for seen in range(to_come)]
        expected = math.prod(weight / (weight + prior.changes) for weight in stays) if run > 1 or not stays else 0
        expected = expected if run else 0
        assert answer_stays(answers, to_come, prior) == pytest.approx(expected, abs=1e-9)

    @PATIENT
    @given(st.integers(1, 20), st.integers(0, 20), PRIORS)
    def test_grows_with_the_run_and_falls_with_what_is_to_come(self, run: int, to_come: int, prior: ChainPrior) -> None:
        now = answer_stays(["7"] * run, to_come, prior)
        assert answer_stays(["7"] * (run + 1), to_come, prior) >= now - 1e-12
        assert answer_stays(["7"] * run, to_come + 1, prior) <= now + 1e-12

    @PATIENT
    @given(ANSWERS, st.integers(0, 40))
    def test_is_a_probability_and_1_when_nothing_is_to_come(self, answers: list[str | None], to_come: int) -> None:
        assert 0 <= answer_stays(answers, to_come) <= 1
        has_answer = bool(answers) and answers[-1] is not None
        assert answer_stays(answers, 0) == pytest.approx(1.0 if has_answer else 0.0)

    @PATIENT
    @given(ANSWERS, ANSWERS, st.integers(0, 20))
    def test_what_was_before_the_latest_change_does_not_count(
        self, before: list[str | None], other: list[str | None], to_come: int
    ) -> None:
        run: list[str | None] = ["9", "8", "8", "8"]
        assert answer_stays(before + run, to_come) == answer_stays(other + run, to_come)

    def test_one_answer_is_enough_where_that_is_said(self) -> None:
        assert 0 < answer_stays(["7"], 3, min_agreeing=1) < answer_stays(["7", "7"], 3, min_agreeing=1)

    @PATIENT
    @given(ANSWERS, st.integers(1, 40), PRIORS)
    def test_one_answer_says_nothing_about_staying(
        self, before: list[str | None], to_come: int, prior: ChainPrior
    ) -> None:
        assert answer_stays([*before, "8"], to_come, prior) == 0

    def test_the_fewer_are_to_come_the_fewer_have_to_agree(self) -> None:
        """Runs that the default rule, 0.9, is content with."""

        def enough(to_come: int) -> int:
            return next(run for run in range(1, 99) if answer_stays(["7"] * run, to_come) >= 0.9)

        assert [enough(to_come) for to_come in (0, 1, 8, 32, 128)] == [1, 2, 3, 6, 19]


class TestProbesToCome:
    @PATIENT
    @given(st.integers(0, 400), st.integers(1, 400))
    def test_never_passes_the_cap(self, sent: int, cap: int) -> None:
        assert 0 <= probes_to_come(sent, cap) <= max(0, cap - sent)

    def test_a_chain_is_at_its_half_but_fills_a_quarter_of_its_budget(self) -> None:
        assert probes_to_come(10, 400) == 90
        assert probes_to_come(100, 400) == 100
        assert probes_to_come(300, 400) == 100
        assert probes_to_come(400, 400) == 0

    def test_without_a_known_budget_it_is_half_way_from_the_16th_probe_on(self) -> None:
        assert [probes_to_come(sent, None) for sent in (1, 8, 16, 1000)] == [15, 8, 16, 1000]


class TestCertaindex:
    def test_has_agreement_as_its_headline_and_no_votes(self) -> None:
        certaindex = certaindex_of_chain(["7", "7"], window=3, to_come=4)
        assert certaindex.value == certaindex.signals[AGREEMENT] == answer_stays(["7", "7"], 4)
        assert certaindex.signals[STABILITY] == pytest.approx(2 / 3)
        assert set(certaindex.signals) == {AGREEMENT, STABILITY, ENTROPY}
        assert certaindex.votes is None

    def test_has_a_confidence_where_there_is_one(self) -> None:
        assert certaindex_of_chain(["7"], window=3, to_come=4, confidence=0.5).signals[CONFIDENCE] == 0.5

    def test_of_nothing_is_nothing(self) -> None:
        signals = certaindex_of_chain([], window=3, to_come=4).signals
        assert list(signals.values()) == pytest.approx([0.0] * 3)


@PATIENT
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=9))
def test_mean_probability_is_the_geometric_mean(probabilities: list[float]) -> None:
    logs = [math.log(probability) for probability in probabilities]
    assert mean_probability(logs) == pytest.approx(math.prod(probabilities) ** (1 / len(probabilities)))


def test_mean_probability_of_nothing_is_not_known() -> None:
    assert mean_probability([]) is None
