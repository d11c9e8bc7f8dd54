"""A chain of thought that is being written: what its probes found so far, and how it becomes an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dynasor.certainty import certaindex_of_chain, probes_to_come
from dynasor.programs.probes import Probe, fill_box, hesitates, is_placeholder
from dynasor.programs.protocol import ReadAnswer, Session
from dynasor.programs.thinking import ThinkingSplitter
from dynasor.vocabulary import Answer, Branch, Certaindex, Completion, Delta, FinishReason, StopReason

if TYPE_CHECKING:
    from dynasor.programs.chain_of_thought import ChainOfThought

NO_LIMIT = 2**30
"""Units of a chain whose length nobody limits."""


class Chain:
    """One run of a ``ChainOfThought``: its rules, its prompt, its probes, and its knob, which counts them."""

    def __init__(self, rules: ChainOfThought, session: Session, prompt: str) -> None:
        self.rules = rules
        self.session = session
        self.prompt = prompt
        self.max_tokens = session.sampling.max_tokens
        self.pace = rules.pace(self.max_tokens)
        self.num_intervals = self.pace.num_intervals(self.max_tokens)
        self.probes: list[Probe] = []
        self.probed_text = ""
        self.knob = session.inner(None, self.num_intervals or NO_LIMIT, certaindex=self.certaindex)
        self.splitter = ThinkingSplitter(rules.think, rules.end_think, is_thinking=self.is_thinking(""))

    @property
    def num_unspent(self) -> int:
        """Units of the knob that no probe has ended yet."""
        return self.knob.cap - len(self.probes)

    @property
    def next_probe_at(self) -> int:
        """How many tokens the chain has when its next probe is due."""
        if not self.probes:
            return max(self.pace.probe_interval, self.pace.min_tokens)
        affordable_at = math.ceil(sum(probe.cost for probe in self.probes) / self.rules.probe_budget)
        return max(self.probes[-1].num_tokens + self.pace.probe_interval, affordable_at)

    @property
    def certaindex(self) -> Certaindex:
        """How settled the answer is after the latest probe."""
        if not self.probes:
            return self._certaindex((), 1, None)
        latest = self.probes[-1]
        to_come = probes_to_come(math.ceil(latest.num_tokens / self.pace.probe_interval), self.num_intervals)
        return self._certaindex([probe.key for probe in self.probes], max(1, to_come), latest.confidence)

    def add(self, probe: Probe, text: str) -> None:
        """Take a probe of the chain as far as ``text`` for evidence, and report what is known now."""
        self.probes.append(probe)
        self.probed_text = text
        found = self.best_guess
        answer = found.text if found else None
        branch = Branch(answer, probe.num_tokens)
        self.knob.observe(self.certaindex, answer, self._boxed(text, found).strip(), (branch,))

    def hear(self, delta: Delta) -> None:
        """Show what the chain has written: its thinking, and what follows that."""
        reasoning, text = self.splitter.split(delta.text)
        if delta.finish_reason is not None:
            last_reasoning, last_text = self.splitter.rest()
            reasoning, text = reasoning + last_reasoning, text + last_text
        self.session.show(text, delta.reasoning + reasoning)

    async def probe(self, text: str, num_tokens: int, *, is_beside: bool = True) -> Probe:
        """Ask for the answer of the chain so far: ``text``, which is its first ``num_tokens`` tokens."""
        rules = self.rules
        close = rules.end_think if self.is_thinking(text) else ""
        prompt = self.prompt + text + close + rules.ask
        boxed = await fill_box(self.session, prompt, rules.max_probe_tokens, is_beside=is_beside)
        if boxed.text is None or is_placeholder(boxed.text):
            return Probe(num_tokens, cost=boxed.num_tokens)
        is_likely = boxed.confidence is None or boxed.confidence >= rules.min_confidence
        answer = await self.session.read_as_answer(boxed.text)
        return Probe(
            num_tokens,
            answer,
            self._in_box(answer),
            is_sure=is_likely and not hesitates(boxed.text, rules.hesitations),
            confidence=boxed.confidence,
            cost=boxed.num_tokens,
        )

    def is_thinking(self, text: str) -> bool:
        """Whether the model thinks where the chain has come to ``text``. Some never do."""
        written = self.prompt + text
        return written.rfind(self.rules.think) > written.rfind(self.rules.end_think)

    async def cut(self) -> Answer:
        """The answer of a chain that the allocator stopped, cut where it was probed last.

        A solution written out from there that comes to another answer than the probes did is not shown.
        """
        found, num_tokens = self.best_guess, self.probes[-1].num_tokens
        solution = self._boxed(self.probed_text, found)
        shown = self._in_box(found)
        if self.rules.finish == "worked" and self.is_thinking(self.probed_text):
            completion = await self._write_out(num_tokens)
            num_tokens += completion.num_tokens
            worked = await self.session.read_answer(completion)
            if worked is not None and (found is None or worked.key == found.key):
                found, solution = worked, self._said(completion.text)
                shown = solution
        self.session.show(shown)
        return self._answer(found, solution, num_tokens, self.certaindex, self.knob.stop_reason)

    async def at_end(self, completion: Completion) -> Answer:
        """The answer of a chain that went on to its own end, or to the end of its budget."""
        is_cut_off = completion.finish_reason is FinishReason.LENGTH
        if is_cut_off or self.is_thinking(completion.text):
            found = await self._last_word(completion)
            solution = self._boxed(completion.text, found)
            self.session.show(self._in_box(found))
        else:
            solution = self._said(completion.text)
            found = await self.session.read_text(solution) or self.best_guess
        answers = [*(probe.key for probe in self.probes), found.key if found else None]
        certaindex = self._certaindex(answers, 0, self.probes[-1].confidence if self.probes else None)
        reason = StopReason.CAP if is_cut_off else StopReason.PROGRAM
        return self._answer(found, solution, completion.num_tokens, certaindex, reason)

    @property
    def best_guess(self) -> ReadAnswer | None:
        """The latest answer that counts as evidence, else the latest there is."""
        latest_first = self.probes[::-1]
        answers = [probe.answer for probe in latest_first if probe.is_sure] + [probe.answer for probe in latest_first]
        return next((answer for answer in answers if answer is not None), None)

    async def _write_out(self, num_tokens: int) -> Completion:
        """Let the model answer from where the chain, ``num_tokens`` long, was probed last, as if done thinking."""
        room = None if self.max_tokens is None else max(1, self.max_tokens - num_tokens)
        ask = self.rules.ask
        blank = ask[: len(ask) - len(ask.lstrip())]
        prompt = self.prompt + self.probed_text + self.rules.end_think + blank
        return await self.session.generate(prompt, sampling=replace(self.session.sampling, max_tokens=room))

    async def _last_word(self, completion: Completion) -> ReadAnswer | None:
        """The answer of a chain that ended before it gave one: asked for once more, if it grew since it was probed."""
        if not self.probes or self.probes[-1].num_tokens < completion.num_tokens:
            last = await self.probe(completion.text, completion.num_tokens, is_beside=False)
            if last.answer is not None:
                return last.answer
        return self.best_guess

    def _said(self, text: str) -> str:
        """What follows the thinking in a text that has ended it."""
        return text.rpartition(self.rules.end_think)[2]

    def _boxed(self, text: str, found: ReadAnswer | None) -> str:
        """What stands outside of the thinking in ``text``, with the answer that a probe found."""
        said = "" if self.is_thinking(text) else self._said(text)
        return said + self._in_box(found)

    def _in_box(self, found: ReadAnswer | None) -> str:
        return "" if found is None else f"{self.rules.ask}{found.text}}}"

    def _certaindex(self, answers: Sequence[str | None], to_come: int, confidence: float | None) -> Certaindex:
        return certaindex_of_chain(
            answers,
            window=self.pace.window,
            to_come=to_come,
            prior=self.rules.prior,
            unsure=self.rules.unsure,
            min_agreeing=self.rules.min_agreeing,
            confidence=confidence,
        )

    def _answer(
        self, found: ReadAnswer | None, solution: str, num_tokens: int, certaindex: Certaindex, reason: StopReason
    ) -> Answer:
        text = found.text if found else None
        return Answer(text, certaindex, solution.strip(), (Branch(text, num_tokens),), reason)
