"""Reasoning programs, one file each, and the table that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dynasor.certainty import ChosenBy
from dynasor.errors import InputError
from dynasor.loading import load_attribute
from dynasor.parameters import Parameter, parameters_of, read_parameters
from dynasor.programs.protocol import Branches, Program, ReadAnswer, Session
from dynasor.programs.votes import Votes
from dynasor.rewards import REWARD_CHOICES, Reward

PROGRAMS: Mapping[str, str] = {
    "self-consistency": "dynasor.programs.self_consistency:SelfConsistency",
    "chain-of-thought": "dynasor.programs.chain_of_thought:ChainOfThought",
    "self-consistency-chains": "dynasor.programs.self_consistency_chains:SelfConsistencyOverChains",
    "best-of-n": "dynasor.programs.best_of_n:BestOfN",
    "weighted-majority": "dynasor.programs.weighted_majority:WeightedMajority",
    "rebase": "dynasor.programs.rebase:Rebase",
    "mcts": "dynasor.programs.mcts:MCTS",
    "single": "dynasor.programs.single:Single",
}
"""What ``--program`` may name. A ``module:attribute`` of the user's own works as well."""

CHOSEN_BY: Mapping[str, ChosenBy] = {
    "self-consistency": "majority",
    "best-of-n": "best",
    "weighted-majority": "weighted",
}
"""How programs choose among samples that do not depend on each other: those that can be replayed in any order."""

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def load_program(name: str) -> Callable[..., Program]:
    """The program called ``name``, or at ``module:attribute``, as something to call for an instance."""
    if name not in PROGRAMS and ":" not in name:
        raise InputError(f"there is no program {name!r}; choose {', '.join(PROGRAMS)} or your own as module:Class")
    program = load_attribute(PROGRAMS.get(name, name), "program")
    if not callable(program) or not hasattr(program, "execute"):
        raise InputError(f"the program {name!r} has no execute(session) method")
    return program  # type: ignore[no-any-return]  # checked above; the annotation names the Protocol


def make_program(name: str, reward: Reward | None = None, settings: Mapping[str, str] = NO_SETTINGS) -> Program:
    """A program by its name, as ``load_program`` finds it, with its parameters.

    Args:
        reward: what scores its solutions: for programs with a parameter ``reward``, and for no others.
        settings: its other parameters as text, by name, read by their annotations.

    Raises:
        InputError: there is no such program, it has no such parameter, a value cannot be read or is not allowed,
            or a reward is missing or given where none is taken. The message names what is allowed.
    """
    program = load_program(name)
    who = f"the program {name}"
    arguments = read_parameters(program, settings, who)
    parameters = parameters_of(program)
    if reward is not None:
        if REWARD not in parameters:
            raise InputError(f"{who} takes no reward")
        arguments[REWARD] = reward
    for each in parameters.values():
        if each.is_required and each.name not in arguments:
            raise InputError(missing(each, who))
    return program(**arguments)


REWARD = "reward"


def missing(parameter: Parameter, who: str) -> str:
    if parameter.name == REWARD:
        return f"{who} needs a reward; choose {REWARD_CHOICES}"
    return f"{who} needs a value for {parameter.name}"


def is_exchangeable(program: str) -> bool:
    """Whether the samples of ``program`` do not depend on each other, and may come in any order."""
    return program in CHOSEN_BY


def chosen_by(program: str) -> ChosenBy:
    """How ``program`` chooses its answer. InputError if its samples depend on each other, or it is not ours."""
    if program not in CHOSEN_BY:
        raise InputError(
            f"the samples of {program} cannot be replayed in any order, as calibration does; "
            f"it is for {', '.join(CHOSEN_BY)}"
        )
    return CHOSEN_BY[program]


__all__ = [
    "PROGRAMS",
    "Branches",
    "Program",
    "ReadAnswer",
    "Session",
    "Votes",
    "chosen_by",
    "is_exchangeable",
    "load_program",
    "make_program",
]
