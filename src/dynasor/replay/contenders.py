"""Allocators by name, with options inline: ``agreement:max_change=0.05``, so that one can run with several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynasor.certainty import UNIFORM, VotePrior
from dynasor.errors import InputError
from dynasor.scheduling import Allocator, make_allocator
from dynasor.scheduling.allocators import options_of


@dataclass(frozen=True, slots=True)
class Contender:
    """An allocator, what it is called in the results, and the prior of the votes it is shown."""

    name: str
    allocator: Allocator
    prior: VotePrior = UNIFORM


def make_contenders(texts: Sequence[str], **options: float | int | None) -> list[Contender]:
    """The allocators that ``texts`` name. ``options`` that are not None are for each that has them; inline
    ones come first.

    InputError for an allocator that does not exist or is named twice, and an option that none of them has.
    """
    given = {name: value for name, value in options.items() if value is not None}
    contenders: dict[str, Contender] = {}
    for text in texts:
        if text in contenders:
            raise InputError(f"the allocator {text!r} is named twice")
        own = {option: value for option, value in given.items() if option in options_of(text)}
        contenders[text] = Contender(text, make_allocator(text, **own))
    known = {option for text in texts for option in options_of(text)}
    for option in given:
        if option not in known:
            takes = ", ".join(sorted(known)) or "no options"
            named = ", ".join(texts) or "what is calibrated"
            raise InputError(f"{option} means nothing to {named}; together they take {takes}")
    return list(contenders.values())
