"""Parameters by name: what a user writes as ``name=value``, read as what a class or a function takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from dynasor.errors import InputError

NOTHING = inspect.Parameter.empty
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a callable: its name, its annotation and its default, ``NOTHING`` where it has none."""

    name: str
    kind: Any
    default: object

    @property
    def is_required(self) -> bool:
        return self.default is NOTHING

    @property
    def can_be_written(self) -> bool:
        """Whether a value can be given as text."""
        return self.kind is not NOTHING and bool(forms_of(self.kind))

    def __str__(self) -> str:
        return self.name if self.is_required else f"{self.name}={written(self.default)}"


def parameters_of(target: Callable[..., object]) -> dict[str, Parameter]:
    """What ``target`` can be called with by name. Without annotations that can be resolved, kinds are ``NOTHING``."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return {}
    hints, made = hints_of(target), made_defaults_of(target)
    return {
        each.name: Parameter(each.name, hints.get(each.name, NOTHING), made.get(each.name, each.default))
        for each in parameters
        if each.kind in NAMED
    }


def made_defaults_of(target: Callable[..., object]) -> dict[str, object]:
    """The defaults that a dataclass makes anew for each of its values."""
    if not is_dataclass(target):
        return {}
    return {each.name: each.default_factory() for each in fields(target) if each.default_factory is not MISSING}


def hints_of(target: Callable[..., object]) -> dict[str, Any]:
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError):
        return {}


def read_parameters(target: Callable[..., object], settings: Mapping[str, str], who: str) -> dict[str, object]:
    """``settings`` as arguments of ``target``.

    Raises InputError, naming ``who`` takes them, for a name it does not have and a value it cannot mean.
    """
    known = {name: each for name, each in parameters_of(target).items() if each.can_be_written}
    for name in settings:
        if name not in known:
            takes = ", ".join(map(str, known.values())) or "no parameters"
            raise InputError(f"{who} has no parameter {name!r}; it takes {takes}")
    return {name: read_value(text, known[name].kind, f"{name} of {who}") for name, text in settings.items()}


def split_settings(texts: Iterable[str], where: str) -> dict[str, str]:
    """``name=value`` texts as a mapping. InputError, naming ``where`` they stand, for another form or a name twice."""
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise InputError(f"{where} is {text!r}; name=value was expected")
        if name in settings:
            raise InputError(f"{where} gives {name} twice")
        settings[name] = value
    return settings


def read_value(text: str, kind: object, what: str) -> object:
    """``text`` as a value of ``kind``. InputError, naming ``what`` it is for, if it is none."""
    forms = forms_of(kind)
    for form in forms:
        try:
            return form.read(text)
        except ValueError:
            continue
    raise InputError(f"{what} is {text!r}; {' or '.join(form.expected for form in forms)} was expected")


@dataclass(frozen=True, slots=True)
class Form:
    """One way to read a text: ``read`` raises ValueError for a text that is not as ``expected``."""

    expected: str
    read: Callable[[str], object]


def forms_of(kind: Any) -> tuple[Form, ...]:
    """How values of the annotation ``kind`` are written; none if they cannot be."""
    if kind in SIMPLE:
        return (SIMPLE[kind],)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        forms = tuple(form for part in arguments if part is not NoneType for form in forms_of(part))
        return (NONE, *forms) if forms and NoneType in arguments else forms
    if origin is Literal:
        return (choice_form({str(value): value for value in arguments}),)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(list_form(form) for form in forms_of(arguments[0])[:1])
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return (choice_form({str(each.value): each for each in kind}),)
    return ()


def choice_form(choices: Mapping[str, object]) -> Form:
    def read(text: str) -> object:
        if text not in choices:
            raise ValueError(text)
        return choices[text]

    return Form(" or ".join(choices), read)


def list_form(form: Form) -> Form:
    return Form(
        f"{form.expected}, several with commas", lambda text: tuple(form.read(part) for part in text.split(","))
    )


SIMPLE: Mapping[Any, Form] = {
    bool: choice_form({"true": True, "false": False}),
    int: Form("a whole number", int),
    float: Form("a number", float),
    str: Form("a text", str),
}
NONE = choice_form({"none": None})


def written(value: object) -> str:
    """A default as the user would write it."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return repr(value) if isinstance(value, str) and value.strip() != value else str(value)
