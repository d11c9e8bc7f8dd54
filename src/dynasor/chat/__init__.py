"""A conversation at a terminal, or line by line through a pipe. docs/chat.md shows it."""

from dynasor.chat.conversation import Choice, Conversation
from dynasor.chat.dialogue import Dialogue, Ending
from dynasor.chat.sources import Source

__all__ = ["Choice", "Conversation", "Dialogue", "Ending", "Source"]
