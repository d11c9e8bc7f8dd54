"""Reasoning programs, one file each, and the table that names them."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping

from dynasor.errors import InputError
from dynasor.programs.protocol import Branches, Program, ReadAnswer, Session
from dynasor.programs.votes import Votes

PROGRAMS: Mapping[str, str] = {
    "self-consistency": "dynasor.programs.self_consistency:SelfConsistency",
}
"""What ``--program`` may name. A ``module:attribute`` of the user's own works as well."""


def load_program(name: str) -> Callable[[], Program]:
    """The program called ``name``, or at ``module:attribute``, as something to call for an instance."""
    target = PROGRAMS.get(name, name)
    module_name, colon, attribute = target.partition(":")
    if not colon:
        raise InputError(f"there is no program {name!r}; choose {', '.join(PROGRAMS)} or your own as module:Class")
    if name not in PROGRAMS and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # so that the installed command finds what `python -m` would
    try:
        program = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # a user's module may raise anything while it is imported
        raise InputError(f"the program {name!r} cannot be loaded: {error}") from error
    if not callable(program) or not hasattr(program, "execute"):
        raise InputError(f"the program {name!r} has no execute(session) method")
    return program  # type: ignore[no-any-return]  # checked above; the annotation names the Protocol


__all__ = ["PROGRAMS", "Branches", "Program", "ReadAnswer", "Session", "Votes", "load_program"]
