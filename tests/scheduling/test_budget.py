"""The keeper of a budget: what it never does, where its price ends, and what it remembers."""

from __future__ import annotations

import random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor.certainty import worth
from dynasor.certainty.votes import certaindex_of_votes
from dynasor.errors import InputError
from dynasor.scheduling import Budget, BudgetKeeper, BudgetUnit
from dynasor.vocabulary import Allocation, Certaindex, Spending, StopReason, VoteCounts
from tests.scheduling.population import EASY, HOPELESS, OPEN, Kind, spend

KINDS = st.sampled_from([EASY, OPEN, HOPELESS])


def samples(per_question: float, num_questions: int, cap: int = 16) -> BudgetKeeper:
    return BudgetKeeper(Budget.of_samples(per_question, num_questions, cap), num_questions, cap)


def mixed(count: int, seed: int = 0, longer: int = 1) -> list[Kind]:
    """Half of them easy, a third open; samples of the harder ones up to ``longer`` times as long."""
    kinds = [EASY] * (count // 2) + [OPEN] * (count // 3)
    kinds += [HOPELESS] * (count - len(kinds))
    random.Random(seed).shuffle(kinds)
    lengths = {EASY: (10, 20), OPEN: (10 * longer, 20 * longer), HOPELESS: (20 * longer, 30 * longer)}
    return [Kind(kind.shares, *lengths[kind]) for kind in kinds]


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(KINDS, min_size=1, max_size=25),
    per_question=st.floats(2, 8),
    seed=st.integers(0, 999),
    in_flight=st.integers(1, 12),
)
def test_a_total_of_samples_is_never_passed(kinds: list[Kind], per_question: float, seed: int, in_flight: int) -> None:
    keeper = samples(per_question, len(kinds), cap=8)

    def check() -> None:
        assert keeper.committed + keeper.reserve <= keeper.budget.total + 1e-6

    done = spend(keeper, kinds, seed, in_flight, at_grant=check)
    assert keeper.spent == sum(each.finished for each in done) <= keeper.budget.total + 1e-6
    assert all(2 <= each.finished <= 8 for each in done)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=25),
    per_question=st.integers(2, 1500),
    seed=st.integers(0, 999),
)
def test_nothing_is_granted_once_a_total_of_tokens_is_spent(lengths: list[int], per_question: int, seed: int) -> None:
    """However the lengths turn out, and though the total be too small for them."""
    kinds = [Kind(OPEN.shares, 1, length) for length in lengths]
    keeper = BudgetKeeper(Budget.of_tokens(per_question * len(kinds)), len(kinds), 8)

    def check() -> None:
        assert keeper.spent <= keeper.budget.total

    done = spend(keeper, kinds, seed, in_flight=3, at_grant=check)
    assert keeper.spent == sum(each.tokens for each in done)
    assert len(done) == len(kinds)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("per_question", [3.0, 5.5])
def test_a_total_of_samples_is_spent(seed: int, per_question: float) -> None:
    keeper = samples(per_question, 240)
    spend(keeper, mixed(240, seed), seed, in_flight=32)
    assert 0.97 <= keeper.spent / keeper.budget.total <= 1.0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("longer", [1, 6])
def test_a_total_of_tokens_is_spent_and_not_passed(seed: int, longer: int) -> None:
    kinds = mixed(240, seed, longer)
    mean = fmean((kind.shortest + kind.longest) / 2 for kind in kinds)
    keeper = BudgetKeeper(Budget.of_tokens(round(4 * mean * len(kinds))), len(kinds), 16)
    spend(keeper, kinds, seed, in_flight=32)
    assert 0.95 <= keeper.spent / keeper.budget.total <= 1.0


def test_easy_questions_give_to_open_ones() -> None:
    kinds = mixed(240)
    done = spend(samples(4, 240), kinds, in_flight=32)
    drawn = {kind.shares: fmean(each.finished for each in done if each.kind.shares == kind.shares) for kind in kinds}
    assert drawn[EASY.shares] < 2.8
    assert drawn[OPEN.shares] > 4.5


def test_the_price_is_that_of_the_whole_population_though_easy_questions_end_first() -> None:
    """After the questions that began first, with as many still under way, the price is what it ends at, but for a
    factor that moves demand by less than two samples a question."""
    keeper = samples(4, 400)
    prices: list[float] = []
    spend(keeper, mixed(400), in_flight=64, at_grant=lambda: prices.append(keeper.price or 0.0))
    settled = prices[len(prices) // 8 : -len(prices) // 8]
    assert max(settled) < 4 * min(settled)


def ask(keeper: BudgetKeeper, *groups: int) -> Allocation:
    """The word to a question that has got two samples and has these votes."""
    program = keeper.allocator()
    assert program.decide(Spending(0, 0, keeper.cap), None) == Allocation.grant(2)
    assert program.decide(Spending(1, 1, keeper.cap, 7), None) == Allocation.wait()
    return program.decide(Spending(2, 0, keeper.cap, 14), votes(*groups, cap=keeper.cap))


def votes(*groups: int, cap: int = 16) -> Certaindex:
    return certaindex_of_votes(VoteCounts(groups), cap)


def test_a_question_on_its_own_gets_all_that_may_help_it() -> None:
    assert ask(samples(16, 1), 1, 1) == Allocation.grant(1)


def test_reserve_for_questions_to_come_is_not_touched() -> None:
    assert ask(samples(2, 10), 1, 1) == Allocation.stop(StopReason.PRICE)


def test_a_sample_under_way_is_not_called_off() -> None:
    keeper = samples(4, 2)
    program = keeper.allocator()
    program.decide(Spending(0, 0, 16), None)
    assert program.decide(Spending(2, 0, 16, 14), votes(1, 1)) == Allocation.grant(1)
    for _ in range(3):
        assert program.decide(Spending(2, 1, 16, 14), votes(1, 1)) == Allocation.wait()
    assert program.bids == [worth(VoteCounts((1, 1)), 16)], "asked again it bids once"


def test_bids_are_by_the_token_where_tokens_are_the_unit() -> None:
    keeper = BudgetKeeper(Budget.of_tokens(1000), 2, 16)
    program = keeper.allocator()
    program.decide(Spending(0, 0, 16), None)
    program.decide(Spending(2, 0, 16, 14), votes(1, 1))
    assert program.bids == [worth(VoteCounts((1, 1)), 16) / 7]


def test_the_cap_ends_a_question() -> None:
    program = samples(4, 2).allocator()
    assert program.decide(Spending(16, 0, 16, 50), votes(8, 8)) == Allocation.stop(StopReason.CAP)


def test_a_question_that_a_cut_total_leaves_nothing_for_ends_without_a_sample() -> None:
    """What came before was ten times as dear as it had looked."""
    keeper = BudgetKeeper(Budget.of_tokens(100), 3, 16)
    dear = keeper.allocator()
    dear.decide(Spending(0, 0, 16), None)
    dear.decide(Spending(2, 0, 16, 90), votes(2))
    dear.close(90, 2)
    assert keeper.allocator().decide(Spending(0, 0, 16), None) == Allocation.stop(StopReason.PRICE)


def test_one_sample_is_granted_where_two_are_too_dear() -> None:
    keeper = BudgetKeeper(Budget.of_tokens(100), 2, 16)
    dear = keeper.allocator()
    dear.decide(Spending(0, 0, 16), None)
    dear.decide(Spending(2, 0, 16, 60), votes(2))
    dear.close(60, 2)
    last = keeper.allocator()
    assert last.decide(Spending(0, 0, 16), None) == Allocation.grant(1)
    assert last.decide(Spending(0, 1, 16), None) == Allocation.wait()
    assert last.decide(Spending(1, 0, 16, 30), votes(1)) == Allocation.stop(StopReason.PRICE)


def test_a_restored_keeper_goes_on_as_the_first_would_have() -> None:
    first, restored = samples(4, 100), samples(4, 100)
    for each in spend(first, mixed(100)[:60], in_flight=1):
        restored.restore(each.tokens, each.finished, each.program.bids)
    for groups in ((1, 1), (2,), (1, 1), (2,)):
        assert ask(first, *groups) == ask(restored, *groups)
        assert first.price == pytest.approx(restored.price)
        assert first.committed == restored.committed


def test_what_a_failed_attempt_spent_stays_spent() -> None:
    keeper = BudgetKeeper(Budget.of_tokens(1000), 2, 16)
    program = keeper.allocator()
    program.decide(Spending(0, 0, 16), None)
    program.decide(Spending(2, 0, 16, 40), votes(1, 1))
    program.start_over(lost_tokens=55)
    assert (keeper.spent, program.bids) == (55, [])
    assert program.decide(Spending(0, 0, 16), None) == Allocation.grant(2)
    program.decide(Spending(2, 0, 16, 40), votes(2))
    assert keeper.spent == 95
    program.close(95, 2)
    assert keeper.spent == 95


@pytest.mark.parametrize("per_question", [0, 1.99, 16.1, float("nan"), float("inf"), -3])
def test_samples_per_question_out_of_range(per_question: float) -> None:
    with pytest.raises(InputError, match=r"samples_per_question is .*; a number from 2, .* to max_samples \(16\)"):
        Budget.of_samples(per_question, 10, 16)


def test_a_total_of_tokens_that_can_never_do() -> None:
    with pytest.raises(InputError) as caught:
        BudgetKeeper(Budget.of_tokens(399), 200, 16)
    assert str(caught.value) == (
        "the budget is 399 tokens; at least 400 was expected, for each of 200 questions gets 2 samples before it is "
        "compared with others"
    )


def test_a_total_of_tokens_is_too_small_once_costs_are_known() -> None:
    keeper = BudgetKeeper(Budget.of_tokens(1000), 100, 16)
    for _ in range(7):
        keeper.restore(60, 2, [1e-4])
    keeper.check()
    keeper.restore(60, 2, [1e-4])
    with pytest.raises(InputError) as caught:
        keeper.check()
    assert str(caught.value) == (
        "the budget is 1000 tokens; about 6000 or more was expected: 2 samples for each of 100 questions, at 30 "
        "tokens a sample so far"
    )


def test_programs_without_votes_are_refused() -> None:
    keeper = samples(4, 2)
    program = keeper.allocator()
    program.decide(Spending(0, 0, 16), None)
    with pytest.raises(InputError, match="judges votes, and this program's certaindex has none"):
        program.decide(Spending(2, 0, 16, 14), Certaindex(0.5, {"stability": 0.5}))
    with pytest.raises(InputError, match="has not reported any certaindex"):
        program.decide(Spending(2, 0, 16, 14), None)


def test_more_questions_than_the_budget_is_for() -> None:
    keeper = samples(4, 1)
    keeper.allocator()
    with pytest.raises(InputError, match="this budget is for 1 questions, and all of them have begun"):
        keeper.allocator()


def test_what_it_looks_like() -> None:
    keeper = samples(4, 3)
    assert repr(keeper) == ("<BudgetKeeper 0 of 12 samples spent, 3 of 3 questions to come, 0 under way, no price yet>")
    assert keeper.budget == Budget(12, BudgetUnit.SAMPLES)
