"""How many tokens a prompt will take to read, before an engine has said so."""

from __future__ import annotations

from dataclasses import dataclass

from dynasor.vocabulary import Message

CHARACTERS_PER_TOKEN = 4.0
"""A rule of thumb for English and code."""


@dataclass(slots=True)
class PromptLengths:
    """What engines said of the prompts that a program sent so far. Its prompts are much alike, often the same, so the
    next one has as many tokens for each character; the chat template's own are in that, too."""

    num_characters: int = 0
    num_tokens: int = 0

    def learn(self, num_characters: int, num_tokens: int) -> None:
        """A prompt of so many characters had so many tokens; 0: the engine does not tell."""
        if num_characters and num_tokens:
            self.num_characters += num_characters
            self.num_tokens += num_tokens

    def expected(self, num_characters: int) -> int:
        """Tokens of a prompt of so many characters."""
        if not self.num_tokens:
            return round(num_characters / CHARACTERS_PER_TOKEN)
        return round(num_characters * self.num_tokens / self.num_characters)


def characters_of(prompt: tuple[Message, ...] | str) -> int:
    if isinstance(prompt, str):
        return len(prompt)
    return sum(len(message.content) for message in prompt)
