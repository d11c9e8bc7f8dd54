"""One chain of thought with probes beside it. Names of bugs are those of the paper's public code."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor import Agreement, AnswerReader, Fixed, Options, Question, Runtime, Threshold, open_engine
from dynasor.errors import EngineFailed, EngineRejected, InputError, ProgramFailed
from dynasor.events import CertaindexMeasured, RequestEnded
from dynasor.programs.all_of import all_of
from dynasor.programs.chain_of_thought import ChainOfThought
from dynasor.programs.probes import hesitates, is_placeholder
from dynasor.runtime import Recovery
from dynasor.scheduling import Allocator
from dynasor.vocabulary import (
    Answer,
    Delta,
    Message,
    Request,
    RequestKind,
    Sampling,
    StopReason,
    TokenLogprob,
    Usage,
)
from tests.in_process_engine import InProcessEngine, Reply
from tests.programs.scripted_chains import (
    ASK,
    PLAIN_PROMPT,
    PROMPT,
    QUESTION,
    ScriptedChain,
    always,
    num_words,
    run,
    settles,
)

STABLE = Threshold({"stability": 1.0}, detect_at=3, check_every=1)
"""The paper's rule: the last three answers agree."""
EVERY_10 = ChainOfThought(probe_interval=10, probe_budget=9.0)


class TestStopping:
    async def test_ends_once_the_answers_agree(self) -> None:
        found = await run(EVERY_10, STABLE, ScriptedChain(settles(at=40)))
        answer = found.answer
        assert (answer.text, answer.stop_reason, answer.num_samples) == ("7", StopReason.CERTAIN, 1)
        assert answer.certaindex.signals["stability"] == 1
        assert answer.solution == "The answer is \\boxed{7}"
        assert found.probed_at[0] == 10
        assert sum(length >= 40 for length in found.probed_at) == 3
        assert answer.branches[0].num_tokens == found.probed_at[-1]

    async def test_goes_on_while_they_differ(self) -> None:
        """Bug 1: there, three probes without a word of hesitation ended the chain, whatever their answers."""
        found = await run(EVERY_10, STABLE, ScriptedChain(settles(at=999), final="8"))
        assert (found.answer.text, found.answer.stop_reason) == ("8", StopReason.PROGRAM)
        assert len(found.probes) > 10

    @pytest.mark.parametrize("nothing", ["}", "  }", "?}", "...}", "\\ldots}", "\\boxed{}}"])
    async def test_goes_on_while_boxes_hold_nothing(self, nothing: str) -> None:
        """Bug 1, and the empty vote: equal nothings are no agreement."""
        found = await run(EVERY_10, STABLE, ScriptedChain(always(nothing), final="8"))
        assert (found.answer.text, found.answer.stop_reason) == ("8", StopReason.PROGRAM)

    @pytest.mark.parametrize(
        ("first", "second"), [("5", "500"), ("5", "0.05"), ("10000", "10001"), ("5\\%", "5"), ("A", "the answer is A")]
    )
    async def test_different_answers_do_not_agree(self, first: str, second: str) -> None:
        """Bug 3: there, equality was a grader's."""
        alternating = always(*[f"{first}}}", f"{second}}}"] * 50)
        found = await run(EVERY_10, STABLE, ScriptedChain(alternating, final="8"))
        assert found.answer.stop_reason is StopReason.PROGRAM

    async def test_one_answer_written_in_different_ways_agrees(self) -> None:
        script = ScriptedChain(always("0.5}", "\\frac{1}{2}}", "1/2}"))
        assert (await run(EVERY_10, STABLE, script)).answer.text == "1/2"

    async def test_the_default_rule_waits_for_an_answer_that_came_late_to_hold_for_longer(self) -> None:
        runs = []
        for at in (40, 400):
            script = ScriptedChain(settles(at), length=1500)
            found = await run(EVERY_10, Agreement(), script, max_tokens=1600)
            assert found.answer.stop_reason is StopReason.CERTAIN
            assert found.answer.certaindex.value >= 0.9
            runs.append(sum(length >= at for length in found.probed_at))
        assert runs[0] < runs[1]

    async def test_under_fixed_nothing_is_probed_and_the_chain_goes_to_its_end(self) -> None:
        found = await run(EVERY_10, Fixed(), ScriptedChain(always("7}"), final="8"))
        assert found.answer.usage == Usage(main=204, prompt=7)
        assert (found.answer.text, found.answer.solution) == ("8", "The answer is \\boxed{8}.")
        assert not [event for event in found.events if isinstance(event, CertaindexMeasured)]

    async def test_a_rule_that_looks_once_is_probed_no_more_after_that(self) -> None:
        once = Threshold({"stability": 1.0}, detect_at=4)
        found = await run(EVERY_10, once, ScriptedChain(settles(at=60)))
        assert (len(found.probes), found.answer.stop_reason) == (4, StopReason.PROGRAM)

    async def test_works_without_a_limit_of_tokens(self) -> None:
        for allocator in (Agreement(), STABLE, Fixed()):
            found = await run(EVERY_10, allocator, ScriptedChain(always("7}"), length=600), max_tokens=None)
            assert found.answer.text == "7"
            assert bool(found.probes) is not isinstance(allocator, Fixed)

    async def test_every_allocator_gets_the_same_chain(self) -> None:
        runs = [await run(EVERY_10, rule, ScriptedChain(always("7}"))) for rule in (Fixed(), Agreement(), STABLE)]
        assert len({(each.mains[0].prompt, each.mains[0].sampling) for each in runs}) == 1


class TestHesitation:
    @pytest.mark.parametrize(
        "text", ["7, wait}", "Wait, 7}", "but 7}", "7 no}", "Hmm 7}", "hold on: 7}", "\\text{okay} 7}"]
    )
    async def test_a_hesitant_answer_is_no_evidence(self, text: str) -> None:
        found = await run(EVERY_10, STABLE, ScriptedChain(always(text), final="8"))
        assert (found.answer.text, found.answer.stop_reason) == ("8", StopReason.PROGRAM)

    @pytest.mark.parametrize("answer", ["\\text{Now}", "node", "another", "threshold", "distribution", "unknown"])
    async def test_words_are_whole(self, answer: str) -> None:
        """Bug 2: there, "no" was found in Now and node, "hold" in threshold, "but" in distribution."""
        found = await run(EVERY_10, STABLE, ScriptedChain(always(answer + "}"), final="8"))
        assert (found.answer.text, found.answer.stop_reason) == (answer, StopReason.CERTAIN)

    @pytest.mark.parametrize("answer", ["x \\not= 3", "butane", "awaits", "\\wait", "1 \\no 2"])
    def test_words_are_no_commands(self, answer: str) -> None:
        assert not hesitates(answer, ChainOfThought().hesitations)

    async def test_what_follows_the_brace_is_not_looked_at(self) -> None:
        """Bug 2, its other half."""
        found = await run(EVERY_10, STABLE, ScriptedChain(always("7}. Wait, but no, hmm. Hold on.")))
        assert (found.answer.text, found.answer.stop_reason) == ("7", StopReason.CERTAIN)

    @pytest.mark.parametrize("answer", ["no", "No", "\\text{No}", "\\textbf{no}."])
    def test_no_is_an_answer_where_it_stands_alone(self, answer: str) -> None:
        assert not hesitates(answer, ("no", "wait"))
        assert hesitates(f"{answer} 7", ("no", "wait"))

    def test_words_are_the_callers(self) -> None:
        assert hesitates("7 aber", ("aber",))
        assert not hesitates("wait 7", ("aber",))
        assert not hesitates("wait 7", ())

    @pytest.mark.parametrize("answer", ["\\infty", "\\emptyset", "0", "-", "x_1", "a. b"])
    def test_short_answers_are_no_placeholders(self, answer: str) -> None:
        assert not is_placeholder(answer)

    async def test_one_hesitant_probe_resets_the_run_or_is_left_out(self) -> None:
        answers = ("7}", "7}", "wait}", "7}")
        reset = await run(EVERY_10, STABLE, ScriptedChain(always(*answers)))
        assert len(reset.probes) == 6
        left_out = ChainOfThought(probe_interval=10, probe_budget=9.0, unsure="omit")
        assert len((await run(left_out, STABLE, ScriptedChain(always(*answers)))).probes) == 4


class TestProbing:
    async def test_a_probe_continues_the_chain_as_it_stands_when_it_is_sent(self) -> None:
        """Bug 7: there, it was built before the chunk, the first one from no reasoning at all."""
        found = await run(EVERY_10, STABLE, ScriptedChain(settles(at=30)))
        for probe in found.probes:
            said = str(probe.prompt).removeprefix(PROMPT).removesuffix(ASK)
            assert said == "".join(f"w{number} " for number in range(num_words(said)))
            assert num_words(said) >= 10
            assert (probe.sampling.temperature, probe.sampling.max_tokens) == (0.0, 64)

    async def test_the_stream_is_not_paused_by_a_probe(self) -> None:
        """Bug 6: there, the chain waited for each of them."""
        script = ScriptedChain(always("7}"), probe_tokens=40)
        found = await run(EVERY_10, STABLE, script)
        assert len(found.mains) == 1
        gaps = [later - earlier for earlier, later in zip(found.probed_at, found.probed_at[1:], strict=False)]
        assert all(40 <= gap <= 45 for gap in gaps)

    async def test_one_probe_is_in_flight_at_a_time(self) -> None:
        found = await run(EVERY_10, STABLE, ScriptedChain(settles(at=150), probe_tokens=25))
        assert found.engine.most_live == 2

    async def test_the_stream_is_never_sent_again(self) -> None:
        """Bug 10: there, every chunk resent the text, and token boundaries could shift."""
        found = await run(EVERY_10, STABLE, ScriptedChain(settles(at=60)))
        assert [request.prompt for request in found.mains] == [PROMPT]

    async def test_what_was_written_after_the_deciding_probe_is_cancelled(self) -> None:
        found = await run(EVERY_10, STABLE, ScriptedChain(always("7}"), probe_tokens=8))
        usage = found.answer.usage
        assert usage.main == found.probed_at[-1]
        assert 8 <= usage.cancelled <= 12
        assert usage.probe == 8 * len(found.probes)

    async def test_a_probe_is_read_up_to_its_brace_and_ended_there(self) -> None:
        def script(request: Request) -> Reply:
            if request.kind is RequestKind.PROBE:
                return Reply(pieces=("\\frac", "{1", "}{2", "}", "}", *["more "] * 50))
            return ScriptedChain(always(""))(request)

        found = await run(EVERY_10, STABLE, script)
        assert found.answer.text == "\\frac{1}{2}"
        ended = [
            event.num_tokens for event in found.events if isinstance(event, RequestEnded) and event.kind == "probe"
        ]
        assert ended == [5, 5, 5]

    async def test_long_answers_are_read_whole(self) -> None:
        """Bug 11: there, probes had 20 tokens, and longer answers were none."""
        digits = "31415926535897932384626433832795028841971693993751"

        def script(request: Request) -> Reply:
            if request.kind is RequestKind.PROBE:
                return Reply(pieces=(*digits, "}"))
            return ScriptedChain(always(""), length=600)(request)

        found = await run(EVERY_10, STABLE, script)
        assert (found.answer.text, found.answer.stop_reason) == (digits, StopReason.CERTAIN)

    async def test_a_box_that_is_never_closed_holds_nothing(self) -> None:
        found = await run(EVERY_10, STABLE, ScriptedChain(always("7 and {so on"), final="8"))
        assert (found.answer.text, found.answer.stop_reason) == ("8", StopReason.PROGRAM)

    async def test_the_first_probe_waits_for_min_tokens(self) -> None:
        patient = ChainOfThought(probe_interval=10, min_tokens=55, probe_budget=9.0)
        assert (await run(patient, STABLE, ScriptedChain(always("7}")))).probed_at[0] == 55

    @given(share=st.sampled_from([0.05, 0.1, 0.25, 1.0]), probe_tokens=st.integers(1, 30))
    @settings(deadline=None, max_examples=15)
    def test_probes_cost_their_share_of_the_chain_and_one_more(self, share: float, probe_tokens: int) -> None:
        program = ChainOfThought(probe_interval=10, probe_budget=share)
        script = ScriptedChain(settles(at=9999), probe_tokens=probe_tokens, length=400)
        found = asyncio.run(run(program, STABLE, script))
        *before, last = found.probed_at
        assert all(probe_tokens * number <= share * length for number, length in enumerate([*before, last]))
        assert found.answer.usage.probe <= share * 404 + probe_tokens

    async def test_a_short_budget_is_probed_more_often(self) -> None:
        def intervals(max_tokens: int | None) -> int:
            return ChainOfThought().pace(max_tokens).probe_interval

        assert [intervals(limit) for limit in (None, 32768, 2048, 1024, 100)] == [64, 64, 64, 32, 16]
        assert ChainOfThought(probe_interval=64).pace(100).probe_interval == 64

    async def test_efforts_are_numbers_that_can_be_overridden(self) -> None:
        low, medium, high = (ChainOfThought(effort=name).pace(None) for name in ("low", "medium", "high"))
        assert low.window < medium.window < high.window
        assert low.min_tokens <= medium.min_tokens <= high.min_tokens
        assert ChainOfThought(effort="high", window=2, min_tokens=0).pace(None).window == 2

    async def test_probes_go_ahead_where_every_place_is_taken(self) -> None:
        found = await run(EVERY_10, STABLE, ScriptedChain(always("7}")), concurrency=1)
        assert found.answer.stop_reason is StopReason.CERTAIN

    async def test_events_tell_of_every_probe(self) -> None:
        found = await run(EVERY_10, Agreement(), ScriptedChain(settles(at=20)))
        measured = [event for event in found.events if isinstance(event, CertaindexMeasured)]
        assert [event.finished for event in measured] == list(range(1, len(found.probes) + 1))
        assert measured[-1].answer == "7"


class SurelyEngine(InProcessEngine):
    """Reports one probability for all tokens of a probe's answer, and another for what follows the brace."""

    def __init__(self, script: ScriptedChain, probability: float) -> None:
        super().__init__(script)
        self.probability = probability

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        async with aclosing(super().stream(request)) as deltas:
            async for delta in deltas:
                if request.kind is RequestKind.PROBE:
                    assert request.sampling.top_logprobs == 0
                    delta = replace(delta, logprobs=(TokenLogprob(delta.text, math.log(self.probability)),))
                yield delta


class TestConfidence:
    async def test_unlikely_answers_are_no_evidence(self) -> None:
        for probability, reason in ((0.8, StopReason.PROGRAM), (0.95, StopReason.CERTAIN)):
            script = ScriptedChain(always("7}"))
            found = await run(EVERY_10, STABLE, script, engine=SurelyEngine(script, probability))
            assert found.answer.stop_reason is reason
            assert found.answer.certaindex.signals["confidence"] == pytest.approx(probability)

    async def test_without_probabilities_every_answer_counts(self) -> None:
        found = await run(EVERY_10, STABLE, ScriptedChain(always("7}")))
        assert "confidence" not in found.answer.certaindex.signals
        assert found.answer.stop_reason is StopReason.CERTAIN


class TestEnds:
    async def test_a_chain_that_ends_by_itself_is_over(self) -> None:
        """Bug 5: there, it was continued after its end, and the reply began with the probe's text."""
        found = await run(EVERY_10, STABLE, ScriptedChain(settles(at=999), length=35, final="8"))
        assert [request.prompt for request in found.mains] == [PROMPT]
        assert (found.answer.text, found.answer.stop_reason) == ("8", StopReason.PROGRAM)
        assert found.answer.solution == "The answer is \\boxed{8}."
        assert found.answer.usage.main == 39
        assert found.answer.certaindex.value == 1

    async def test_its_probe_in_flight_is_cancelled(self) -> None:
        found = await run(EVERY_10, STABLE, ScriptedChain(always("7}"), length=35, probe_tokens=100))
        assert len(found.probes) == 1
        assert found.answer.usage.probe == 0
        assert 0 < found.answer.usage.cancelled < 100

    async def test_after_its_thinking_it_is_not_probed(self) -> None:
        def script(request: Request) -> Reply:
            if request.kind is RequestKind.PROBE:
                return Reply("7}")
            return Reply(pieces=(*(["w1 "] * 12), "</think>", *["so "] * 60, "\\boxed{8}"))

        found = await run(EVERY_10, STABLE, script)
        assert len(found.probes) == 1
        assert (found.answer.text, found.answer.stop_reason) == ("8", StopReason.PROGRAM)

    async def test_one_that_ends_within_its_thinking_is_asked_once_more(self) -> None:
        def script(request: Request) -> Reply:
            if request.kind is RequestKind.PROBE:
                return Reply("9}" if num_words(str(request.prompt)) == 33 else "3}")
            return Reply(pieces=tuple(f"w{number} " for number in range(33)))

        found = await run(ChainOfThought(probe_interval=20), STABLE, script)
        assert (found.answer.text, found.answer.stop_reason) == ("9", StopReason.PROGRAM)
        assert found.answer.solution == "The answer is \\boxed{9}"

    @pytest.mark.parametrize("allocator", [Fixed(), STABLE, Agreement()], ids=["fixed", "stable", "agreement"])
    async def test_at_the_end_of_its_budget_there_is_an_answer(self, allocator: Agreement | Threshold | Fixed) -> None:
        """The same for the baseline, which would else look weaker than it is."""
        script = ScriptedChain(settles(at=100), length=100, final=None)
        found = await run(EVERY_10, allocator, script, max_tokens=100)
        assert (found.answer.text, found.answer.stop_reason) == ("7", StopReason.CAP)
        assert found.answer.solution == "The answer is \\boxed{7}"
        assert found.probed_at[-1] == 100

    async def test_one_probe_shortly_before_it_is_not_taken_for_the_last_word(self) -> None:
        late = ChainOfThought(probe_interval=10, min_tokens=95)
        script = ScriptedChain(lambda length: "7}" if length == 100 else "5}", length=100, final=None, probe_tokens=1)
        found = await run(late, Agreement(), script, max_tokens=100)
        assert found.probed_at[0] == 95
        assert (found.answer.text, found.answer.stop_reason) == ("7", StopReason.CAP)

    async def test_there_the_latest_probe_answers_if_the_last_one_cannot(self) -> None:
        script = ScriptedChain(lambda length: "?}" if length == 100 else f"{length}000}}", length=100, final=None)
        found = await run(EVERY_10, STABLE, script, max_tokens=100)
        assert found.answer.stop_reason is StopReason.CAP
        assert found.answer.text == f"{found.probed_at[-2]}000"

    async def test_a_chain_without_any_answer_has_none(self) -> None:
        found = await run(EVERY_10, STABLE, ScriptedChain(always("}"), length=50, final=None), max_tokens=50)
        assert (found.answer.text, found.answer.certaindex.value) == (None, 0)
        assert (found.answer.stop_reason, found.answer.solution) == (StopReason.CAP, "")


class TestFinish:
    async def test_worked_continues_from_the_text_that_was_decided_on(self) -> None:
        """And not from a chunk later."""
        worked = ChainOfThought(probe_interval=10, probe_budget=9.0, finish="worked")
        found = await run(worked, STABLE, ScriptedChain(always("7}"), probe_tokens=7))
        chain, last = found.mains
        assert str(last.prompt) == str(found.probes[-1].prompt).removesuffix(ASK) + "</think>\n\n"
        assert last.sampling.temperature == chain.sampling.temperature
        assert last.sampling.max_tokens == 1600 - found.probed_at[-1]
        assert found.answer.solution == "It is so. \\boxed{7}"
        assert found.answer.usage.main == found.probed_at[-1] + 5

    async def test_worked_text_that_comes_to_another_answer_is_not_shown(self) -> None:
        worked = ChainOfThought(probe_interval=10, finish="worked")
        for text in ("\n\nSo \\boxed{8}", "\n\nI do not know"):
            found = await run(worked, STABLE, ScriptedChain(always("7}"), worked=text))
            assert (found.answer.text, found.answer.solution) == ("7", "The answer is \\boxed{7}")

    async def test_worked_text_that_thinks_on_is_shown_from_the_end_of_that(self) -> None:
        worked = ChainOfThought(probe_interval=10, finish="worked")
        script = ScriptedChain(always("7}"), worked="Hmm, once more: 7.</think>\n\nIt is \\boxed{7}.")
        assert (await run(worked, STABLE, script)).answer.solution == "It is \\boxed{7}."


class PlainEngine(InProcessEngine):
    """A model without a thinking mode: its prompt is the same whatever is asked for."""

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        return await super().render(messages, thinking=False)


class TestModelsThatDoNotThink:
    async def test_are_probed_within_their_one_text(self) -> None:
        for finish in ("boxed", "worked"):
            program = ChainOfThought(probe_interval=10, finish=finish)
            script = ScriptedChain(settles(at=20))
            found = await run(program, STABLE, script, engine=PlainEngine(script))
            assert (found.answer.text, found.answer.stop_reason) == ("7", StopReason.CERTAIN)
            assert all("</think>" not in str(request.prompt) for request in found.engine.requests)
            assert found.answer.solution.startswith("w0 w1 ")
            assert found.answer.solution.endswith("The answer is \\boxed{7}")
            assert len(found.mains) == 1

    async def test_end_by_themselves(self) -> None:
        def script(request: Request) -> Reply:
            return Reply("9}") if request.kind is RequestKind.PROBE else Reply("It is \\boxed{8}", num_tokens=30)

        found = await run(EVERY_10, STABLE, script, engine=PlainEngine(script))
        assert (found.answer.text, found.answer.solution) == ("8", "It is \\boxed{8}")

    async def test_a_model_that_begins_to_think_by_itself_is_closed(self) -> None:
        def script(request: Request) -> Reply:
            if request.kind is RequestKind.PROBE:
                return Reply("7}")
            return Reply(pieces=("<think>", *[f"w{number} " for number in range(90)], "</think>", "\\boxed{7}"))

        found = await run(EVERY_10, STABLE, script, engine=PlainEngine(script))
        assert str(found.mains[0].prompt) == PLAIN_PROMPT
        assert all(str(probe.prompt).endswith(ASK) for probe in found.probes)
        assert found.answer.solution == "The answer is \\boxed{7}"


class TestFailures:
    @pytest.mark.parametrize("kind", [RequestKind.MAIN, RequestKind.PROBE])
    async def test_an_engine_that_breaks_fails_the_program(self, kind: RequestKind) -> None:
        def script(request: Request) -> Reply:
            if request.kind is kind:
                return Reply(num_tokens=30, fails_after=25, error=EngineFailed("the engine broke"))
            return ScriptedChain(always("7}"), probe_tokens=99)(request)

        async with InProcessEngine(script) as engine, AnswerReader() as reader:
            runtime = Runtime(engine, reader, recovery=Recovery(max_tries=1))
            with pytest.raises(ProgramFailed, match="the engine broke") as caught:
                await runtime.run(QUESTION, EVERY_10, STABLE, Options())
            assert not engine.live
            assert caught.value.usage.produced == engine.produced
            assert not runtime.dispatcher.scheduler.running

    async def test_a_probe_that_does_not_fit_is_one_without_an_answer(self) -> None:
        def script(request: Request) -> Reply:
            if request.kind is RequestKind.PROBE and num_words(str(request.prompt)) > 30:
                return Reply(fails_after=0, error=EngineRejected("the context is full"))
            return ScriptedChain(always("5}"), length=60, final=None)(request)

        found = await run(EVERY_10, Threshold({"stability": 1.0}, 5, 1), script, max_tokens=60)
        assert (found.answer.text, found.answer.stop_reason) == ("5", StopReason.CAP)

    @pytest.mark.parametrize("probe_tokens", [1, 30])
    async def test_cancelled_anywhere_it_leaves_nothing_behind(self, probe_tokens: int) -> None:
        worked = ChainOfThought(probe_interval=5, probe_budget=9.0, finish="worked")
        for steps in range(0, 120, 3):
            script = ScriptedChain(always("7}"), length=40, probe_tokens=probe_tokens)
            events: list[object] = []
            async with InProcessEngine(script) as engine, AnswerReader() as reader:
                runtime = Runtime(engine, reader, listener=events.append)
                task = asyncio.ensure_future(runtime.run(QUESTION, worked, STABLE, Options()))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert not engine.live
                assert not runtime.dispatcher.scheduler.running
                assert not runtime.dispatcher.scheduler.waiting
                counted = sum(event.num_tokens for event in events if isinstance(event, RequestEnded))
                assert counted == engine.produced

    @given(
        length=st.integers(1, 90),
        interval=st.integers(1, 30),
        probe_tokens=st.integers(1, 40),
        settled_at=st.integers(0, 100),
        is_cut_off=st.booleans(),
        allocator=st.sampled_from([Fixed(), STABLE, Agreement(), Threshold({"entropy": 0.7})]),
        finish=st.sampled_from(["boxed", "worked"]),
    )
    @settings(deadline=None, max_examples=60)
    def test_whatever_happens_it_answers_and_counts_every_token(
        self,
        length: int,
        interval: int,
        probe_tokens: int,
        settled_at: int,
        is_cut_off: bool,
        allocator: Agreement,
        finish: str,
    ) -> None:
        script = ScriptedChain(settles(settled_at), length, None if is_cut_off else "7", probe_tokens)
        program = ChainOfThought(probe_interval=interval, finish=finish)  # type: ignore[arg-type]
        found = asyncio.run(asyncio.wait_for(run(program, allocator, script, max_tokens=length), 20))
        assert found.answer.text is not None
        assert found.engine.most_live <= 2
        if found.answer.stop_reason is StopReason.CERTAIN:
            assert found.answer.text == "7"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"effort": "huge"}, "effort is 'huge'; choose low, medium, high"),
        ({"finish": "short"}, "finish is 'short'; choose boxed, worked"),
        ({"unsure": "guess"}, "unsure is 'guess'; choose reset, omit"),
        ({"probe_interval": 0}, "probe_interval is 0; at least 1"),
        ({"window": 0}, "window is 0; at least 1"),
        ({"min_tokens": -1}, "min_tokens is -1; at least 0"),
        ({"max_probe_tokens": 0}, "max_probe_tokens is 0; at least 1"),
        ({"probe_budget": 0.0}, "probe_budget is 0.0; a number above 0"),
        ({"probe_budget": float("nan")}, "probe_budget is nan; a number above 0"),
        ({"min_confidence": 1.0}, "min_confidence is 1.0; a number from 0"),
        ({"ask": "The answer is "}, "ask is 'The answer is '; a text that ends in an open brace"),
        ({"end_think": ""}, "empty; texts were expected"),
        ({"hesitations": ("wait", "")}, "empty; texts were expected"),
        ({"prior": (0.0, 1.0)}, r"prior is \(0.0, 1.0\); weights above 0"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ChainOfThought(**parameters)  # type: ignore[arg-type]


async def test_on_the_embedded_model_it_ends_sooner_with_the_same_answers() -> None:
    text = "A shop has {} boxes of {} pens. How many pens are there?"
    questions = {str(a * b): Question.of_text(text.format(a, b), f"{a}x{b}") for a, b in ((67, 8), (45, 6), (31, 42))}
    options = Options(sampling=Sampling(temperature=0.0, max_tokens=1000))
    async with open_engine("embedded", slots=8) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader)

        async def all_under(allocator: Allocator) -> list[Answer]:
            return await all_of(
                runtime.run(question, ChainOfThought(), allocator, options) for question in questions.values()
            )

        full, early = await all_under(Fixed()), await all_under(Agreement())
    assert [answer.text for answer in full] == [answer.text for answer in early] == list(questions)
    certain = [(whole, cut) for whole, cut in zip(full, early, strict=True) if cut.stop_reason is StopReason.CERTAIN]
    assert certain, "where probes are slow a chain may end first, but not all of them"
    assert any(cut.usage.main < whole.usage.main for whole, cut in certain)
    assert all(0.9 <= cut.certaindex.signals["confidence"] <= 1 for _, cut in certain)
