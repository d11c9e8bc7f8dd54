"""Allocators by name with inline options."""

from __future__ import annotations

import pytest

from dynasor.errors import InputError
from dynasor.replay import make_contenders
from dynasor.scheduling import ALLOCATORS, Agreement, Fixed, Threshold
from dynasor.scheduling.known_rules import AdaptiveConsistency, Length

WITH_KNOWN_RULES = {**ALLOCATORS, "adaptive-consistency": AdaptiveConsistency, "length": Length}


@pytest.fixture(autouse=True)
def known_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, make in WITH_KNOWN_RULES.items():
        monkeypatch.setitem(ALLOCATORS, name, make)


def test_names_and_inline_options() -> None:
    texts = ["fixed", "agreement:max_change=0.05", "threshold:threshold=0.6,detect-at=4", "length:max_tokens=900"]
    contenders = make_contenders([*texts, "adaptive-consistency:prior=dirichlet,confidence=1"])
    assert [contender.name for contender in contenders[:4]] == texts
    assert [contender.allocator for contender in contenders] == [
        Fixed(),
        Agreement(0.05),
        Threshold({"entropy": 0.6}, 4),
        Length(900),
        AdaptiveConsistency(1.0, "dirichlet"),
    ]


def test_shared_options_go_to_those_that_have_them_and_inline_ones_come_first() -> None:
    contenders = make_contenders(["fixed", "threshold", "threshold:detect_at=3"], detect_at=7, max_change=None)
    assert [contender.allocator for contender in contenders] == [
        Fixed(),
        Threshold(detect_at=7),
        Threshold(detect_at=3),
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["agreement", "agreement"], "the allocator 'agreement' is named twice"),
        (["magic:x=1"], "there is no allocator 'magic'; choose agreement, worth, threshold"),
        (["fixed:x=1"], "the allocator fixed has no parameter 'x'; it takes no parameters"),
        (["agreement:0.05"], "an option in 'agreement:0.05' is '0.05'; name=value was expected"),
        (["agreement:max_change="], "max_change of the allocator agreement is ''; a number was expected"),
        (["agreement:max_change=0.1,"], "an option in 'agreement:max_change=0.1,' is ''; name=value was expected"),
        (["agreement:prior=1"], "the allocator agreement has no parameter 'prior'; it takes max_change=0.02"),
        (["agreement:max_change=low"], "max_change of the allocator agreement is 'low'; a number was expected"),
        (["agreement:max_change=nan"], "max_change is nan; a number from 0 up to, not including, 1 was expected"),
        (["threshold:detect_at=2.5"], "detect_at of the allocator threshold is '2.5'; a whole number was expected"),
        (
            ["threshold:check_every=x"],
            "check_every of the allocator threshold is 'x'; none or a whole number was expected",
        ),
        (
            ["threshold:detect_at=2,detect_at=3"],
            "an option in 'threshold:detect_at=2,detect_at=3' gives detect_at twice",
        ),
        (["adaptive-consistency:prior=gamma"], "prior is 'gamma'; choose beta, dirichlet"),
        (["length"], "the allocator length needs max_tokens; give it as length:max_tokens=..."),
    ],
)
def test_what_cannot_be_used(texts: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_contenders(texts)
    assert str(caught.value).startswith(message)


def test_an_option_that_nobody_has_is_refused() -> None:
    with pytest.raises(InputError, match="max_change means nothing to threshold:detect_at=3, fixed; together"):
        make_contenders(["threshold:detect_at=3", "fixed"], max_change=0.1)
