"""What a line of the user means. Pure: a line in, a command out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dynasor.errors import InputError

EFFORTS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Say:
    """A question."""

    text: str


@dataclass(frozen=True, slots=True)
class ChooseEffort:
    """How long to think from now on; None: as whoever answers would by itself."""

    effort: str | None


@dataclass(frozen=True, slots=True)
class ChooseProgram:
    """Which program answers from now on; None: whichever does where nobody says."""

    program: str | None


@dataclass(frozen=True, slots=True)
class Restart:
    """Forget what was said."""


@dataclass(frozen=True, slots=True)
class ToggleThinking:
    """Show thinking in full, or folded again."""


@dataclass(frozen=True, slots=True)
class Help:
    """List the commands."""


@dataclass(frozen=True, slots=True)
class Quit:
    """End the chat."""


Command = Say | ChooseEffort | ChooseProgram | Restart | ToggleThinking | Help | Quit

HELP = """\
/effort low|medium|high  how long to think; /effort alone: as by default
/program NAME            which program answers; /program alone: the default one
/thinking                show the thinking in full, or folded again
/new                     forget the conversation
/help                    this list
/quit                    end the chat, as Ctrl-D does
Ctrl-C                   stop the answer
//...                    a question that begins with a slash"""


def read_command(line: str) -> Command | None:
    """The command that ``line`` is; None for an empty one.

    Raises:
        InputError: it is no text, no command we know, or one without what it needs.
    """
    try:
        line.encode()
    except UnicodeEncodeError:
        raise InputError("the line is not valid UTF-8 text") from None
    text = line.strip()
    if not text:
        return None
    if text.startswith("//"):
        return Say(text[1:])
    if not text.startswith("/"):
        return Say(text)
    name, _, argument = text[1:].partition(" ")
    if name not in READERS:
        known = ", ".join(f"/{each}" for each in READERS)
        raise InputError(f"there is no command /{name}; choose {known}, or begin a question with //")
    return READERS[name](argument.strip())


def read_effort(argument: str) -> Command:
    if argument and argument not in EFFORTS:
        raise InputError(f"/effort is {argument!r}; {', '.join(EFFORTS)} or nothing was expected")
    return ChooseEffort(argument or None)


def read_program(argument: str) -> Command:
    if len(argument.split()) > 1:
        raise InputError(f"/program is {argument!r}; one name or nothing was expected")
    return ChooseProgram(argument or None)


def alone(name: str, command: Command) -> Callable[[str], Command]:
    def read(argument: str) -> Command:
        if argument:
            raise InputError(f"/{name} stands alone, not with {argument!r}")
        return command

    return read


READERS: Mapping[str, Callable[[str], Command]] = {
    "effort": read_effort,
    "program": read_program,
    "thinking": alone("thinking", ToggleThinking()),
    "new": alone("new", Restart()),
    "help": alone("help", Help()),
    "quit": alone("quit", Quit()),
}
