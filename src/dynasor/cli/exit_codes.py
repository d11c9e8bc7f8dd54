"""What a verb ends with."""

from __future__ import annotations

from enum import IntEnum

from dynasor.errors import DynasorError, EngineError, InputError, ProgramFailed


class ExitCode(IntEnum):
    """The exit codes of all verbs; ``meaning`` is for people."""

    DONE = 0
    SOME_FAILED = 1
    BAD_INPUT = 2
    NO_ENGINE = 3
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        return MEANINGS[self]

    @classmethod
    def of_error(cls, error: DynasorError | OSError) -> ExitCode:
        """For an error that ends a verb. One of the system is a disk that is full, or a file that may not be read."""
        if isinstance(error, InputError | OSError):
            return cls.BAD_INPUT
        return cls.NO_ENGINE if isinstance(error, EngineError | ProgramFailed) else cls.SOME_FAILED


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.SOME_FAILED: "done, but some of it failed: questions (their lines say why), checks, or a simulation",
    ExitCode.BAD_INPUT: "the input or an option cannot be used; nothing was spent, unless a program of your own is "
    "found to break the rules, or fails",
    ExitCode.NO_ENGINE: "the engine cannot be reached, or does not answer; results so far are kept",
    ExitCode.INTERRUPTED: "interrupted; results so far are kept",
}
