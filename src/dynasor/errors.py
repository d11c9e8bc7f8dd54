"""Everything we raise on purpose.

::

    DynasorError
    ├── InputError            the caller's: a file, an option or a value that cannot be used
    │   └── BadProgram        a program or an allocator breaks the rules of its session
    ├── SimulationFault       a simulation cannot go on: all wait for ever, or for something outside it
    ├── ProgramFailed         a program gave up because of an engine error (its ``__cause__``)
    ├── ProgramStopped        a request that is passed through was stopped, or its deadline has passed
    └── EngineError           an engine's, or on the way to it
        ├── EngineUnreachable no connection, or none any more: nothing is wrong with the question
        ├── EngineTimeout     connected, then silent for too long
        ├── EngineRejected    the engine refuses this request (4xx), e.g. a prompt that is too long
        ├── EngineCannot      it lacks an ability that the program needs, e.g. to render a conversation
        └── EngineFailed      the engine broke while answering (5xx, a broken stream)

A message names the thing, the value and what was allowed.
"""

from __future__ import annotations

from dynasor.vocabulary import StopReason, Usage


class DynasorError(Exception):
    """The root of the tree."""


class InputError(DynasorError):
    """A file, an option or a value that cannot be used."""


class BadProgram(InputError):
    """A program or an allocator breaks the rules of its session."""


class SimulationFault(DynasorError):
    """A simulation cannot go on: everything in it waits for ever, or for something that is not in it."""


class ProgramFailed(DynasorError):
    """A program could not finish; ``usage`` is what it had spent by then."""

    def __init__(self, question_id: str, cause: Exception, usage: Usage) -> None:
        super().__init__(f"question {question_id!r} failed: {cause}")
        self.usage = usage


class ProgramStopped(DynasorError):
    """A request that is passed through was ended before its end, for ``reason``. (A program that is ended so has an
    answer.)"""

    def __init__(self, program_id: str, reason: StopReason) -> None:
        super().__init__(f"program {program_id!r} was ended: {reason}")
        self.reason = reason


class EngineError(DynasorError):
    """An engine did not answer a request."""


class EngineUnreachable(EngineError):
    """The engine cannot be connected to."""


class EngineTimeout(EngineError):
    """The engine was silent for longer than allowed."""


class EngineRejected(EngineError):
    """The engine refuses this request; asking again will not help."""


class EngineCannot(EngineError):
    """The engine lacks an ability that the program needs; another engine may have it."""


class EngineFailed(EngineError):
    """The engine broke while it answered."""


def first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended a task group: the first of our errors in it, else its first error."""
    ours = group.subgroup(DynasorError) or group
    error: BaseException = ours
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
