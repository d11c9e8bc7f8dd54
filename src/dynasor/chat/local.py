"""Answers from a runtime in this process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dynasor.chat.conversation import Choice
from dynasor.chat.sources import Asked, News, Progress, Report, Tell, Written
from dynasor.errors import InputError
from dynasor.events import CertaindexMeasured, Event, TextShown
from dynasor.parameters import parameters_of
from dynasor.programs import Program, load_program
from dynasor.runtime import Options, Runtime
from dynasor.scheduling import Allocator
from dynasor.serving.responses import content_of, rest_of, saved_tokens
from dynasor.vocabulary import Answer, Question

EFFORT = "effort"


@dataclass(slots=True)
class LocalSource:
    """Runs the program that is chosen, else ``default_program`` with ``default_settings``, under ``allocator``.

    ``make_program`` takes a name and the program's parameters as text.
    """

    greeting: str
    runtime: Runtime
    make_program: Callable[[str, Mapping[str, str]], Program]
    default_program: str
    default_settings: Mapping[str, str]
    allocator: Allocator
    options: Options
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _program_id: str = ""

    def check(self, choice: Choice) -> None:
        self._program(choice)

    async def answer(self, asked: Asked, tell: Tell) -> Report:
        self._program_id = f"chat-{next(self._numbers)}"
        shown: list[str] = []

        def hear(event: Event) -> None:
            if isinstance(event, TextShown):
                shown.append(event.text)
            if (news := news_of(event)) is not None:
                tell(news)

        answer = await self.runtime.run(
            Question(self._program_id, asked.messages),
            self._program(asked.choice),
            self.allocator,
            self.options,
            program_id=self._program_id,
            listener=hear,
        )
        if rest := rest_of(content_of(answer), answer, "".join(shown)):
            tell(Written(rest))
        return self._report(answer)

    async def stop(self) -> bool:
        return self.runtime.stop(self._program_id)

    def _program(self, choice: Choice) -> Program:
        name = choice.program or self.default_program
        settings = self.default_settings if name == self.default_program else {}
        if choice.effort is None:
            return self.make_program(name, settings)
        if EFFORT not in parameters_of(load_program(name)):
            raise InputError(f"the program {name} takes no effort; /effort alone chooses none")
        return self.make_program(name, {**settings, EFFORT: choice.effort})

    def _report(self, answer: Answer) -> Report:
        return Report(
            certaindex=answer.certaindex.value if answer.certaindex.signals else None,
            stop_reason=answer.stop_reason,
            num_samples=answer.num_samples,
            num_tokens=answer.usage.produced,
            num_saved=saved_tokens(answer, self.options.max_samples),
        )


def news_of(event: Event) -> News | None:
    """What a user wants to know of ``event``. A certaindex without signals says nothing."""
    if isinstance(event, TextShown):
        return Written(event.text, event.reasoning)
    if isinstance(event, CertaindexMeasured) and event.certaindex.signals:
        return Progress(event.certaindex.value, event.answer, event.finished)
    return None
