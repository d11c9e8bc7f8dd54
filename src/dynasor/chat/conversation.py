"""What has been said, and how the next question shall be answered. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dynasor.vocabulary import Message


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user chose; None leaves it to whoever answers."""

    program: str | None = None
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """``said`` are questions and answers in turn; only questions that got an answer are in it, for many chat templates
    refuse two questions in a row."""

    system: str | None = None
    said: tuple[Message, ...] = ()
    choice: Choice = Choice()

    def asking(self, question: str) -> tuple[Message, ...]:
        """All that is sent to have ``question`` answered."""
        head = () if self.system is None else (Message("system", self.system),)
        return (*head, *self.said, Message("user", question))

    def after(self, question: str, answer: str) -> Conversation:
        """The conversation with this turn; as it was if there was no answer."""
        if not answer.strip():
            return self
        return replace(self, said=(*self.said, Message("user", question), Message("assistant", answer)))

    def restarted(self) -> Conversation:
        """Nothing said yet; the choice and the system message stay."""
        return replace(self, said=())
