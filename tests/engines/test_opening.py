from __future__ import annotations

from pathlib import Path

import pytest

from dynasor.engines import open_engine
from dynasor.engines.embedded import SHIPPED_MODEL
from dynasor.errors import InputError


def test_an_address() -> None:
    assert repr(open_engine("http://h:1", model="m", api_key="k")) == "OpenAIEngine('http://h:1/v1', model='m')"


def test_a_file(tiny_gguf: Path) -> None:
    assert repr(open_engine(str(tiny_gguf), slots=3)) == f"EmbeddedEngine({str(tiny_gguf)!r}, slots=3)"


def test_the_shipped_model() -> None:
    if SHIPPED_MODEL.exists():
        assert repr(open_engine("embedded")).startswith("EmbeddedEngine(")
    else:
        with pytest.raises(InputError, match=r"^the embedded model is missing from this installation: "):
            open_engine("embedded")


def test_anything_else_is_told_the_three_forms() -> None:
    with pytest.raises(InputError) as raised:
        open_engine("gpt-9")
    expected = "engine 'gpt-9' is unknown; expected 'embedded', a path ending in .gguf, or an http(s) URL"
    assert str(raised.value) == expected


def test_a_host_and_a_port_are_an_address() -> None:
    assert repr(open_engine("localhost:8000")) == repr(open_engine("http://localhost:8000"))


def test_options_that_do_not_go_with_a_file() -> None:
    with pytest.raises(InputError, match=r"^model goes with an http\(s\) URL only, not with engine 'embedded'$"):
        open_engine("embedded", model="m")
    with pytest.raises(InputError, match=r"^api_key goes with an http\(s\) URL only, not with engine 'm.gguf'$"):
        open_engine("m.gguf", api_key="k")
