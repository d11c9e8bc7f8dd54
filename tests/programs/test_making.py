"""Programs by their names, with a reward and parameters."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dynasor.errors import InputError
from dynasor.programs import Session, make_program
from dynasor.programs.best_of_n import BestOfN
from dynasor.programs.self_consistency import SelfConsistency
from dynasor.rewards import Likelihood
from dynasor.vocabulary import Answer

HERE = __name__


@dataclass(frozen=True)
class Mine:
    """A program of a user's own, which checks its parameters."""

    width: int
    step_end: str = "\n"

    def __post_init__(self) -> None:
        if self.width < 1:
            raise InputError(f"width is {self.width}; at least 1 was expected")

    async def execute(self, session: Session) -> Answer:
        raise AssertionError("not run")


class Plain:
    async def execute(self, session: Session) -> Answer:
        raise AssertionError("not run")


def test_a_program_without_parameters() -> None:
    assert isinstance(make_program("self-consistency"), SelfConsistency)
    assert isinstance(make_program(f"{HERE}:Plain"), Plain)


def test_a_program_with_a_reward() -> None:
    assert make_program("best-of-n", Likelihood("mean")) == BestOfN(Likelihood("mean"))


def test_parameters_as_text() -> None:
    assert make_program(f"{HERE}:Mine", settings={"width": "4", "step_end": "."}) == Mine(4, ".")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("magic", {}, "there is no program 'magic'; choose self-consistency, "),
        (f"{HERE}:Nothing", {}, f"the program '{HERE}:Nothing' cannot be loaded: module"),
        ("json:loads", {}, "the program 'json:loads' has no execute(session) method"),
        ("self-consistency", {"width": "4"}, "the program self-consistency has no parameter 'width'; it takes no para"),
        ("best-of-n", {}, "the program best-of-n needs a reward; choose judge, yes-no, likelihood, the URL of"),
        ("best-of-n", {"reward": "judge"}, "the program best-of-n has no parameter 'reward'; it takes no parameters"),
        (f"{HERE}:Mine", {"wide": "4"}, f"the program {HERE}:Mine has no parameter 'wide'; it takes width, step_end="),
        (f"{HERE}:Mine", {"width": "x"}, f"width of the program {HERE}:Mine is 'x'; a whole number was expected"),
        (f"{HERE}:Mine", {"width": "0"}, "width is 0; at least 1 was expected"),
        (f"{HERE}:Mine", {}, f"the program {HERE}:Mine needs a value for width"),
    ],
)
def test_what_cannot_be_made(name: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as raised:
        make_program(name, settings=settings)
    assert str(raised.value).startswith(message)


def test_a_reward_that_nobody_reads_is_refused() -> None:
    with pytest.raises(InputError, match="the program self-consistency takes no reward"):
        make_program("self-consistency", Likelihood())
