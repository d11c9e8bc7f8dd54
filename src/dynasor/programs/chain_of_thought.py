"""One long chain of thought that stops once its answer has settled (the Certaindex paper, section 2.1).

While the model thinks, probes ask for its answer so far, beside the stream, which is never paused. When these answers
no longer change, thinking more would not either: the chain is cut where that was found out, and the answer written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dynasor.certainty import DEFAULT_CHAIN_PRIOR, ChainPrior, Unsure
from dynasor.errors import InputError
from dynasor.programs.chain import Chain
from dynasor.programs.efforts import EFFORTS, Effort, EffortName, interval_for
from dynasor.programs.probes import Probe
from dynasor.programs.protocol import Session, TextStream
from dynasor.programs.reading import Reading, reading
from dynasor.vocabulary import Answer, Certaindex

Heard = Callable[[Certaindex, Probe], bool]
"""Is told of a probe, and how settled the chain is after it; says whether that was of use."""


def best_so_far(certaindex: Certaindex, probe: Probe) -> bool:
    """Nobody listens, but an answer that was found is the chain's if it is ended now."""
    return probe.answer is not None


@dataclass(frozen=True, slots=True)
class ChainOfThought:
    """Think in one chain, probe it as it grows, and answer once the answer has settled.

    A unit of its knob is the stretch from one probe to the next; the allocator is asked after each. Under one that
    grants the whole chain at once nothing is probed. A model that does not think is probed in the same way, within
    the one text that it writes.

    Args:
        effort: a name for the three numbers that follow; each of them, if given, goes before it.
        probe_interval: tokens from one probe to the next. That of the effort is shortened for a small ``max_tokens``.
        window: how many probes the signals ``stability`` and ``entropy`` look at.
        min_tokens: how long the chain is before it is probed first.
        max_probe_tokens: how long a probe's answer may be. A longer one is none.
        probe_budget: probes may cost this share of the chain's tokens; beyond that the next one waits.
        min_confidence: an answer whose tokens are less likely than this, in the geometric mean, is no evidence.
        hesitations: an answer with one of these words is no evidence.
        min_agreeing: so many probes in a row must agree before ``agreement`` is more than 0. 1 is for a profile
            calibrated with labels: it stops at the first answer where that is known to lose nothing.
        unsure: what a probe without evidence does to those before it, ``reset`` or ``omit``.
        think: what begins the model's thinking.
        end_think: what ends it.
        ask: what a probe writes after that, up to and with the open brace.
        finish: ``boxed`` answers as the probes did, without another token; ``worked`` ends the thinking and lets the
            model write its answer out, as it does when it has thought enough by itself.
        prior: what such chains are like, see ``ChainPrior``.
    """

    effort: EffortName = "medium"
    probe_interval: int | None = None
    window: int | None = None
    min_tokens: int | None = None
    max_probe_tokens: int = 64
    probe_budget: float = 0.25
    min_confidence: float = 0.9
    hesitations: tuple[str, ...] = ("wait", "hold", "but", "okay", "no", "hmm")
    min_agreeing: int = 2
    unsure: Unsure = "reset"
    think: str = "<think>"
    end_think: str = "</think>"
    ask: str = "\n\nThe answer is \\boxed{"
    finish: Literal["boxed", "worked"] = "boxed"
    prior: ChainPrior = DEFAULT_CHAIN_PRIOR

    def __post_init__(self) -> None:
        choices = {"effort": tuple(EFFORTS), "unsure": ("reset", "omit"), "finish": ("boxed", "worked")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}; choose {', '.join(allowed)}")
        for name, least in (
            ("probe_interval", 1),
            ("window", 1),
            ("min_tokens", 0),
            ("max_probe_tokens", 1),
            ("min_agreeing", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} is {value}; at least {least} was expected")
        if not self.probe_budget > 0:
            raise InputError(f"probe_budget is {self.probe_budget}; a number above 0 was expected")
        if not 0 <= self.min_confidence < 1:
            raise InputError(f"min_confidence is {self.min_confidence}; a number from 0 up to 1 was expected")
        if not self.ask.endswith("{"):
            raise InputError(f"ask is {self.ask!r}; a text that ends in an open brace was expected")
        if not self.think or not self.end_think or not all(self.hesitations):
            raise InputError("think, end_think or one of the hesitations is empty; texts were expected")
        if min(self.prior) <= 0:
            raise InputError(f"prior is {tuple(self.prior)}; weights above 0 were expected")

    async def execute(self, session: Session) -> Answer:
        return await self.think_aloud(session, best_so_far)

    async def think_aloud(self, session: Session, heard: Heard) -> Answer:
        """``execute``, telling ``heard`` of every probe. A chain that is cancelled has used its tokens up to the latest
        one that was of use."""
        session.grant(most=1)  # one chain of thought; what follows is how long it is
        chain = Chain(self, session, await session.render(thinking=True))
        async with session.stream(chain.prompt) as stream, reading(stream, chain.hear) as progress:
            is_settled = await self.probe_until_settled(chain, stream, progress, heard)
            if is_settled:
                stream.keep(chain.probes[-1].num_tokens)
            else:
                await progress.ends()
        if is_settled:
            return await chain.cut()
        assert stream.completion is not None, "a stream that was read to its end has a completion"
        return await chain.at_end(stream.completion)

    async def probe_until_settled(self, chain: Chain, stream: TextStream, progress: Reading, heard: Heard) -> bool:
        """Whether the allocator stopped the chain after a probe. If not, it goes on to its own end, unprobed."""
        while granted := chain.knob.grant():
            if granted >= chain.num_unspent:
                return False  # nothing will be decided any more
            for _ in range(granted):
                if not await progress.grows_to(chain.next_probe_at) or self.end_think in stream.text:
                    return False
                text = stream.text
                probe = await progress.beside(chain.probe(text, stream.num_tokens))
                if probe is None:
                    return False
                chain.add(probe, text)
                if heard(chain.certaindex, probe):
                    stream.keep(probe.num_tokens)
        return not (progress.has_ended or self.end_think in stream.text)

    def pace(self, max_tokens: int | None) -> Effort:
        """The three numbers that hold for a chain of at most ``max_tokens``."""
        effort = EFFORTS[self.effort]
        return Effort(
            self.probe_interval or interval_for(effort, max_tokens),
            self.window or effort.window,
            effort.min_tokens if self.min_tokens is None else self.min_tokens,
        )
