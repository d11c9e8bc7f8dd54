"""What a user writes as name=value, read as the parameters of a class or a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import pytest

from dynasor.errors import InputError
from dynasor.parameters import parameters_of, read_parameters, read_value, split_settings


class Colour(StrEnum):
    RED = "red"
    DARK_BLUE = "dark-blue"


@dataclass(frozen=True)
class Everything:
    number: int
    ratio: float = 0.5
    flag: bool = False
    text: str = "\n"
    words: tuple[str, ...] = ("a", "b")
    sizes: tuple[int, ...] = ()
    form: Literal["mean", "max"] = "mean"
    colour: Colour = Colour.RED
    limit: int | None = None
    made: list[int] = field(default_factory=lambda: [1])
    function: Callable[[], Any] | None = None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("number", "7", 7),
        ("number", " -7", -7),
        ("ratio", "1e-3", 0.001),
        ("flag", "true", True),
        ("flag", "false", False),
        ("text", "a=b, c", "a=b, c"),
        ("text", "", ""),
        ("words", "x,y", ("x", "y")),
        ("sizes", "1,2", (1, 2)),
        ("form", "max", "max"),
        ("colour", "dark-blue", Colour.DARK_BLUE),
        ("limit", "3", 3),
        ("limit", "none", None),
    ],
)
def test_values_are_read_by_their_annotation(name: str, text: str, value: object) -> None:
    assert read_parameters(Everything, {name: text}, "it") == {name: value}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("number", "7.5", "a whole number was expected"),
        ("ratio", "half", "a number was expected"),
        ("flag", "perhaps", "true or false was expected"),
        ("sizes", "1,x", "a whole number, several with commas was expected"),
        ("form", "min", "mean or max was expected"),
        ("colour", "RED", "red or dark-blue was expected"),
        ("limit", "some", "none or a whole number was expected"),
    ],
)
def test_values_that_cannot_be_read(name: str, text: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        read_parameters(Everything, {name: text}, "the thing")
    assert str(raised.value) == f"{name} of the thing is {text!r}; {expected}"


def test_a_name_that_is_none_lists_those_that_are_with_their_defaults() -> None:
    with pytest.raises(InputError) as raised:
        read_parameters(Everything, {"nummer": "7"}, "the thing")
    assert str(raised.value) == (
        "the thing has no parameter 'nummer'; it takes number, ratio=0.5, flag=false, text='\\n', words=a,b, sizes=, "
        "form=mean, colour=red, limit=none"
    )


def test_what_no_text_can_say_is_no_parameter_to_set() -> None:
    for name in ("made", "function"):
        with pytest.raises(InputError, match=f"the thing has no parameter '{name}'"):
            read_parameters(Everything, {name: "1"}, "the thing")
    assert parameters_of(Everything)["made"].default == [1]


def test_functions_have_parameters_too() -> None:
    def make(size: int, *rest: str, colour: Colour = Colour.RED, **more: str) -> None: ...

    parameters = parameters_of(make)
    assert list(parameters) == ["size", "colour"]
    assert [each.is_required for each in parameters.values()] == [True, False]


def test_without_parameters_there_is_nothing_to_set() -> None:
    with pytest.raises(InputError, match="the thing has no parameter 'a'; it takes no parameters"):
        read_parameters(object, {"a": "1"}, "the thing")


def test_annotations_that_cannot_be_resolved_cannot_be_set() -> None:
    def make(size: Nowhere = 3) -> None:  # type: ignore[name-defined]  # noqa: F821
        ...

    assert parameters_of(make)["size"].default == 3
    with pytest.raises(InputError, match="it takes no parameters"):
        read_parameters(make, {"size": "1"}, "the thing")


def test_settings_are_split_at_the_first_equals_sign() -> None:
    assert split_settings(["step-end=a=b", " n =1"], "--set") == {"step_end": "a=b", "n": "1"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["n"], "--set is 'n'; name=value was expected"),
        (["=1"], "--set is '=1'; name=value was expected"),
        (["n=1", "n=2"], "--set gives n twice"),
    ],
)
def test_settings_that_cannot_be_split(texts: list[str], message: str) -> None:
    with pytest.raises(InputError) as raised:
        split_settings(texts, "--set")
    assert str(raised.value) == message


def test_of_several_kinds_the_first_that_fits() -> None:
    assert read_value("1", int | float, "x") == 1
    assert isinstance(read_value("1.5", int | float, "x"), float)
