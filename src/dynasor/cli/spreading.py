"""Options in groups: where a verb takes a dataclass of options, the command line has its fields."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints


def with_options(verb: Callable[..., None]) -> Callable[..., None]:
    """``verb`` for typer: in place of each parameter that is a dataclass it has the fields of that as options. Those
    that the verb has itself are its own, and left to their defaults in the dataclass."""
    own = inspect.signature(verb, eval_str=True).parameters
    groups = {name: each.annotation for name, each in own.items() if is_group(each.annotation)}
    fields = {
        name: [each for each in field_parameters(group) if each.name not in own] for name, group in groups.items()
    }

    @functools.wraps(verb)
    def spread(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields[name]}) for name, group in groups.items()
        }
        verb(**made, **given)

    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in own.items()
        for each in fields.get(name, [parameter])
    ]
    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it, types do not
    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spread


def is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def field_parameters(group: type) -> list[inspect.Parameter]:
    """The fields of the dataclass ``group`` as parameters of a function."""
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in dataclasses.fields(group)
    ]
