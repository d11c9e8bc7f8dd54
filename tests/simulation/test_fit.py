"""What is fitted: cost models to measured iterations, populations to recorded samples."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from dynasor.errors import InputError
from dynasor.replay import RecordedQuestion, Trace
from dynasor.replay.traces import RecordedSample
from dynasor.simulation import CostModel, load_engine_profile, shipped_profiles
from dynasor.simulation.answers import Population, fit_population
from dynasor.simulation.fit import Measured, fit_cost
from dynasor.simulation.plans import Defaults, open_questions, shipped_populations
from dynasor.simulation.profiles import fitted_json, profile_of

TRUE = CostModel(overhead_s=0.005, token_s=6e-5, sequence_s=1e-4, context_s=6e-8)


def iterations(noise: float) -> list[Measured]:
    rng = random.Random(0)
    return [
        Measured(running, running * length, prefill, TRUE.iteration_s(running, running * length, prefill) * factor)
        for running in (1, 4, 16, 64, 128)
        for length in (100, 1000, 4000)
        for prefill in (0, 200, 1500)
        for factor in (rng.uniform(1 - noise, 1 + noise),)
    ]


def test_a_cost_model_is_found_again() -> None:
    fit = fit_cost(iterations(0.0))
    for name in ("overhead_s", "token_s", "sequence_s", "context_s"):
        assert getattr(fit.cost, name) == pytest.approx(getattr(TRUE, name), rel=1e-6)
    assert fit.largest_error < 1e-9
    assert fit_cost(iterations(0.02)).mean_error < 0.02


def test_throughputs_do_for_measurements() -> None:
    points = [Measured.of_throughput(running, 300, running / (0.004 + 0.0002 * running)) for running in (1, 4, 16, 64)]
    fit = fit_cost(points)
    assert fit.cost.iteration_s(32, 9600, 0) == pytest.approx(0.0104)


def test_nothing_is_fitted_below_zero() -> None:
    cost = fit_cost([Measured(1, 100, 0, 0.010), Measured(10, 1000, 0, 0.009), Measured(20, 2000, 0, 0.008)]).cost
    assert cost.overhead_s > 0
    assert (cost.token_s, cost.sequence_s, cost.context_s) == (0, 0, 0)
    with pytest.raises(InputError, match="nothing was measured"):
        fit_cost([])


def test_profiles_that_ship_load_and_fitted_ones_come_back() -> None:
    profiles = [load_engine_profile(name) for name in shipped_profiles()]
    assert len(profiles) >= 5
    for profile in profiles:
        assert profile_of(fitted_json(profile, {"measured": 0})) == profile


def test_the_span_of_iterations_is_their_sum_and_can_be_turned_round() -> None:
    one_by_one = sum(TRUE.iteration_s(8, 1000 + 8 * number, 0) for number in range(50))
    assert TRUE.span_s(50, 8, 1000) == pytest.approx(one_by_one)
    assert TRUE.iterations_within(one_by_one, 8, 1000) == pytest.approx(50)


def drawn(population: Population, num_questions: int, num_samples: int) -> Trace:
    rng = random.Random(0)
    questions = []
    for number in range(num_questions):
        question = population.draw(rng)
        samples = [question.draw(rng.getrandbits(31)) for _ in range(num_samples)]
        recorded = [
            RecordedSample(each.answer, None if each.answer is None else each.answer == "1", each.num_tokens)
            for each in samples
        ]
        questions.append(RecordedQuestion(f"q{number}", tuple(recorded)))
    return Trace("drawn", tuple(questions))


def test_a_population_is_found_again() -> None:
    true = Population(
        right_a=2.0, right_b=1.0, unanswered_share=0.1, wrong_ratio=0.4, mean_log_tokens=5.0, spread_between=0.4
    )
    found = fit_population(drawn(true, 1500, 20), prompt_tokens=100)
    assert found.right_a == pytest.approx(2.0, rel=0.15)
    assert found.right_b == pytest.approx(1.0, rel=0.15)
    assert found.unanswered_share == pytest.approx(0.1, abs=0.01)
    assert found.wrong_ratio == pytest.approx(0.4, abs=0.05)
    assert found.mean_log_tokens == pytest.approx(5.0, abs=0.05)
    assert found.spread_between == pytest.approx(0.4, abs=0.05)
    assert found.spread_within == pytest.approx(0.3, abs=0.03)


def test_populations_that_ship_say_what_they_were_fitted_to() -> None:
    for name in shipped_populations():
        population = open_questions(name, Defaults())
        assert isinstance(population, Population)
        assert "fitted to" in population.source
        questions = [population.draw(random.Random(seed)) for seed in range(2000)]
        expected = population.right_a / (population.right_a + population.right_b)
        assert fmean(each.right_share for each in questions) == pytest.approx(expected, abs=0.04)
