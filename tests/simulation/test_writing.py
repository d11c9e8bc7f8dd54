"""What simulated engines write for programs, and whole runs of every program."""

from __future__ import annotations

import asyncio
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynasor.answers import AnswerReader
from dynasor.errors import InputError
from dynasor.events import Event, RequestEnded, RequestStarted
from dynasor.programs import PROGRAMS
from dynasor.runtime import Options, Runtime
from dynasor.scheduling import make_allocator
from dynasor.simulation import CostModel, EngineProfile, SimulatedEngine, run_virtually
from dynasor.simulation.answers import ModelledQuestion, Population, RecordedDraws, RecordedQuestions, Sample
from dynasor.simulation.manner import Manner
from dynasor.simulation.simulate import Arm, Site, simulate
from dynasor.simulation.workloads import Poisson, Stream, arrivals
from dynasor.simulation.writing import QuestionAuthor, Style, Writer
from dynasor.vocabulary import Message, Request, RequestKind, Sampling, Usage

QUESTION = ModelledQuestion(
    "q", 40, right_share=0.6, unanswered_share=0.1, wrong_ratio=0.5, log_tokens=4.8, log_tokens_spread=0.3
)
POPULATION = Population(mean_log_tokens=4.2, prompt_tokens=40)
PROFILE = EngineProfile("test", "none", CostModel(overhead_s=0.002, weights_s=0.008, token_s=5e-5), 3000, 24, 256)
JUDGED = ("+", "-")


def asked(text: str, seed: int = 0, kind: RequestKind = RequestKind.MAIN, *, thinking: bool = False) -> Request:
    rendered = QuestionAuthor().render((Message("user", "How many?"),), thinking=thinking)
    return Request("r", "p", rendered + text, Sampling(seed=seed), kind)


def whole(writer: Writer, text: str, seed: int) -> str:
    return "".join(piece.text for piece in writer.reply(asked(text, seed)).pieces)


def solutions(writer: Writer, number: int) -> Iterator[str]:
    """Each written in two requests, the second of which goes on after the first step."""
    for seed in range(number):
        first = writer.reply(asked("", seed)).pieces[0].text
        yield first if "boxed" in first or "know" in first else first + whole(writer, first, seed + 10**6)


def test_as_many_solutions_are_right_as_samples_however_they_are_cut() -> None:
    writer = Writer(QUESTION, Manner(), Style("\n", JUDGED))
    right = fmean("\\boxed{1}" in text for text in solutions(writer, 3000))
    assert right == pytest.approx(QUESTION.chance_right, abs=0.03)


def score_of(writer: Writer, text: str) -> float:
    reply = writer.reply(asked(text, kind=RequestKind.SCORE))
    assert reply.pieces[0].num_tokens == 1
    return math.exp(reply.pieces[0].logprobs[0].top["+"])


@pytest.mark.parametrize("auc", [0.5, 0.7, 0.95])
def test_scores_tell_right_from_wrong_as_well_as_is_said(auc: float) -> None:
    writer = Writer(QUESTION, Manner(score_auc=auc), Style("\n", JUDGED))
    texts = list(solutions(writer, 2000))
    right = [score_of(writer, text) for text in texts if "\\boxed{1}" in text]
    wrong = [score_of(writer, text) for text in texts if "\\boxed{1}" not in text]
    rng = random.Random(0)
    above = fmean(rng.choice(right) > rng.choice(wrong) for _ in range(20_000))
    assert above == pytest.approx(auc, abs=0.03)


def test_a_recorded_reward_is_what_a_verdict_says() -> None:
    samples = (Sample("1", 50, 0.8), Sample("2", 60, 0.3))
    writer = Writer(RecordedDraws("q", 40, samples, frozenset({"1"})), Manner(), Style(None, JUDGED))
    for seed, reward in ((0, 0.8), (1, 0.3)):
        assert score_of(writer, whole(writer, "", seed)) == pytest.approx(reward)


def test_probes_give_the_chains_answer_once_it_has_settled() -> None:
    writer = Writer(QUESTION, Manner(settles_at=0.5, settles_spread=0.0, unsure_share=0.0), Style())
    differing = 0
    for seed in range(200):
        pieces = writer.reply(asked("", seed, thinking=True)).pieces
        final = "".join(piece.text for piece in pieces).partition("boxed{")[2] or "?}"
        for place, piece in enumerate(pieces[:-1]):
            so_far = "".join(each.text for each in pieces[: place + 1])
            probe = writer.reply(
                asked(so_far + "</think>\n\nThe answer is \\boxed{", 7, RequestKind.PROBE, thinking=True)
            )
            assert probe.num_beside == piece.num_tokens
            if piece.num_tokens >= 0.5 * (pieces[-1].num_tokens - 12):
                assert probe.pieces[0].text == final
            else:
                differing += probe.pieces[0].text != final
    assert differing > 100


def stream(program: str, **changes: object) -> Stream:
    given = {"name": program, "times": Poisson(3.0), "questions": POPULATION, "options": Options(max_samples=4)}
    return Stream(program=program, **(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("program", [*PROGRAMS, "examples.first_to_three:FirstToThree"])
@pytest.mark.parametrize("allocator", ["fixed", "agreement"])
def test_every_program_runs_and_all_its_tokens_are_counted(program: str, allocator: str) -> None:
    ended = 0

    def hear(at: float, event: object) -> None:
        nonlocal ended
        ended += event.num_tokens if isinstance(event, RequestEnded) else 0

    arm = Arm("sjf", make_allocator(allocator), allocator)
    outcome = simulate(Site(PROFILE, 2, 8), arm, arrivals([stream(program)], 20, 0), listener=hear)
    assert outcome.whole.num_programs == 20
    assert outcome.whole.right > 2
    assert sum(each.written for each in outcome.replicas.values()) == Usage(**outcome.whole.usage).produced == ended


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    programs=st.lists(st.sampled_from(sorted(PROGRAMS)), min_size=1, max_size=4, unique=True),
    policy=st.sampled_from(["fcfs", "gang", "sjf", "deadline"]),
    kv_tokens=st.integers(1200, 6000),
    block_tokens=st.sampled_from([1, 16]),
    deadline_s=st.none() | st.floats(0.2, 3.0),
    replicas=st.integers(1, 2),
    seed=st.integers(0, 1000),
)
def test_tokens_and_blocks_are_conserved_under_random_workloads(
    programs: list[str],
    policy: str,
    kv_tokens: int,
    block_tokens: int,
    deadline_s: float | None,
    replicas: int,
    seed: int,
) -> None:
    profile = EngineProfile(
        "test", "none", CostModel(overhead_s=0.005, request_s=0.001), kv_tokens, 16, 64, True, block_tokens, 0.001
    )
    streams = [stream(name, slo_s=deadline_s, has_deadline=deadline_s is not None) for name in programs]
    arm = Arm(policy, make_allocator("agreement"), "agreement")
    outcome = simulate(Site(profile, replicas, 8), arm, arrivals(streams, 12, seed))
    written = sum(each.written for each in outcome.replicas.values())
    assert written == Usage(**outcome.whole.usage).produced
    assert outcome.whole.num_programs == 12
    assert all(left == (0, 0, 0) for left in outcome.left_over.values()), "memory held, shared, and context"


WORKLOAD = {
    "streams": [
        {"name": "sc", "rate": 2, "questions": "gsm8k-faithful-cot", "max_samples": 6, "slo_s": 8},
        {
            "name": "tree",
            "rate": 1,
            "questions": "gsm8k-faithful-cot",
            "program": "rebase",
            "reward": "yes-no",
            "max_samples": 4,
            "manner": {"score_auc": 0.8},
        },
        {"name": "search", "rate": 1, "burstiness": 3, "questions": "svamp-program-of-thoughts", "program": "mcts"},
        {
            "name": "chain",
            "rate": 1,
            "questions": "gsm8k-faithful-cot",
            "program": "self-consistency-chains",
            "max_samples": 3,
            "slo_s": 5,
            "has_deadline": True,
        },
    ],
    "weights": {"sc": 2, "tree": 1, "search": 1, "chain": 1},
}


def test_two_runs_write_the_same_events_byte_for_byte(tmp_path: Path) -> None:
    """In processes of their own, whose hashes of strings differ."""
    workload = tmp_path / "workload.json"
    workload.write_bytes(orjson.dumps(WORKLOAD))
    logs = []
    for number in range(2):
        events = tmp_path / f"events-{number}.jsonl"
        command = [sys.executable, "-m", "dynasor", "simulate", "--workload", str(workload), "--programs", "24"]
        command += ["--policy", "sjf", "--replicas", "2", "--events", str(events), "--json"]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": str(number)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        logs.append((events.read_bytes(), done.stdout))
    assert logs[0] == logs[1]
    report = orjson.loads(logs[0][1])
    assert set(report["arms"][0]["streams"]) == {"sc", "tree", "search", "chain"}
    assert "AUC of 0.8" in report["streams"][1]["modelled"]
    assert len(logs[0][0].splitlines()) > 300


async def decisions(profile: EngineProfile) -> list[tuple[object, ...]]:
    """Of a tree, a vote of chains and a scored vote, side by side on one engine: who starts and ends what, in which
    order, with how many tokens, and what the answers are."""
    heard: list[tuple[object, ...]] = []

    def hear(event: Event) -> None:
        if isinstance(event, RequestStarted):
            heard.append(("starts", event.request_id, event.kind))
        elif isinstance(event, RequestEnded):
            heard.append(("ends", event.request_id, event.num_tokens, event.cancelled))

    author = QuestionAuthor()
    short = Population(mean_log_tokens=2.5, prompt_tokens=10)
    manner = Manner(step_tokens=6, chain_stretch=5.0)
    streams = [
        stream(name, questions=short, manner=manner)
        for name in ("rebase", "self-consistency-chains", "weighted-majority")
    ]
    async with SimulatedEngine(profile, author) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=5, policy="sjf", listener=hear)

        async def run(number: int, each: Stream) -> None:
            question = author.begins(each.name, short.draw(random.Random(number)), manner, each.style())
            options = Options(max_samples=3, seed=1)
            answer = await runtime.run(
                question, each.make_program(), make_allocator("agreement"), options, program_id=each.name
            )
            heard.append(("answers", each.name, answer.text, answer.stop_reason, answer.usage))

        async with asyncio.TaskGroup() as group:
            for number, each in enumerate(streams):
                group.create_task(run(number, each))
    return heard


def test_a_real_clock_and_a_virtual_one_see_the_same_decisions_of_every_kind_of_program() -> None:
    """Iterations take 20 ms, so that what takes real time stays within one."""
    profile = EngineProfile("test", "none", CostModel(overhead_s=0.02), 5000, 16, 512)
    virtual = run_virtually(decisions(profile))
    assert {"probe", "score", "main"} <= {str(each[2]) for each in virtual if each[0] == "starts"}
    assert asyncio.run(decisions(profile)) == virtual


def test_what_cannot_be_modelled_is_refused() -> None:
    unmarked = RecordedQuestions("unmarked", "recorded", (RecordedDraws("q", 10, (Sample("1", 5),), None),))
    with pytest.raises(InputError, match="nobody marked which samples are right"):
        stream("best-of-n", questions=unmarked)
    stream("self-consistency", questions=unmarked)
    with pytest.raises(InputError, match="score_auc is 1"):
        Manner(score_auc=1.0)
