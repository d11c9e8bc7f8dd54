"""Line after line: what the user wants is done, and shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from dynasor.chat.commands import (
    HELP,
    ChooseEffort,
    ChooseProgram,
    Command,
    Help,
    Quit,
    Restart,
    Say,
    ToggleThinking,
    read_command,
)
from dynasor.chat.conversation import Choice, Conversation
from dynasor.chat.screens import Screen
from dynasor.chat.sources import Asked, Source
from dynasor.chat.turns import Interrupts, Turn, take_turn
from dynasor.errors import DynasorError, InputError


class Ending(Enum):
    """How a chat came to its end."""

    DONE = "done"
    SOME_FAILED = "some failed"
    """Nobody was there to see that a question was not answered."""
    INTERRUPTED = "interrupted"


@dataclass(slots=True)
class Dialogue:
    """A conversation between who writes on ``screen`` and ``source``. Errors are shown, and it goes on."""

    source: Source
    screen: Screen
    conversation: Conversation
    latest: Turn | None = None
    num_failed: int = 0

    async def run(self) -> Ending:
        """Until the user leaves. Awaits nothing while the user writes: no other work waits in this loop then."""
        with Interrupts() as interrupts:
            while (line := self._next_line(interrupts)) is not None:
                try:
                    command = read_command(line)
                    if isinstance(command, Quit):
                        break
                    if isinstance(command, Say):
                        await self._answer(command.text, interrupts)
                    elif command is not None:
                        self._obey(command)
                except DynasorError as error:
                    self.num_failed += 1
                    self.screen.complain(error)
                if self.latest is not None and self.latest.is_stopped and not self.screen.is_interactive:
                    return Ending.INTERRUPTED
        is_failure = self.num_failed > 0 and not self.screen.is_interactive
        return Ending.SOME_FAILED if is_failure else Ending.DONE

    def _next_line(self, interrupts: Interrupts) -> str | None:
        with interrupts.raised():
            return self.screen.ask()

    async def _answer(self, question: str, interrupts: Interrupts) -> None:
        conversation = self.conversation
        asked = Asked(conversation.asking(question), conversation.choice)
        with self.screen.answering() as tell:
            turn = self.latest = await take_turn(self.source, asked, tell, interrupts)
        self.screen.close(turn)
        if turn.error is not None:
            raise turn.error
        self.conversation = conversation.after(question, turn.text)

    def _obey(self, command: Command) -> None:
        choice = self.conversation.choice
        match command:
            case ChooseEffort(effort):
                self._choose(replace(choice, effort=effort))
                self.screen.note(f"effort: {effort or 'as by default'}")
            case ChooseProgram(program):
                self._choose(replace(choice, program=program))
                self.screen.note(f"program: {program or 'the default one'}")
            case Restart():
                self.conversation = self.conversation.restarted()
                self.screen.note("a new conversation")
            case ToggleThinking():
                self.screen.toggle_thinking(self.latest.reasoning if self.latest else "")
            case Help():
                self.screen.note(HELP)
            case _:
                raise InputError(f"{command!r} cannot be obeyed")

    def _choose(self, choice: Choice) -> None:
        self.source.check(choice)
        self.conversation = replace(self.conversation, choice=choice)
