from __future__ import annotations

from pathlib import Path

import pytest

from dynasor.errors import InputError
from dynasor.serving import KeyRing, load_keys

FILE = """
# who may ask
sk-0123456789abcdef          # nobody in particular
research: sk-research-0123456
batch:sk-batch-0123456789:0.5
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "keys.txt"
    path.write_text(text)
    return path


def test_whose_key_it_is(tmp_path: Path) -> None:
    ring = load_keys(written(tmp_path, FILE))
    assert ring.owner_of("Bearer sk-research-0123456") == "research"
    assert ring.owner_of("bearer  sk-batch-0123456789 ") == "batch"
    nobody = ring.owner_of("Bearer sk-0123456789abcdef")
    assert nobody is not None and nobody.startswith("key-")
    assert ring.weights == {nobody: 1.0, "research": 1.0, "batch": 0.5}
    for wrong in (None, "", "Bearer", "Bearer ", "sk-research-0123456", "Basic sk-research-0123456", "Bearer sk-rése"):
        assert ring.owner_of(wrong) is None


def test_without_keys_everybody_is_let_in() -> None:
    assert KeyRing().owner_of(None) == ""
    assert not KeyRing()


def test_a_key_ring_does_not_show_its_keys(tmp_path: Path) -> None:
    assert "sk-" not in repr(load_keys(written(tmp_path, FILE)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no keys; one a line was expected"),
        ("short", ":1: the key is no key; at least 16 printable characters were expected"),
        ("a:sk-0123456789abcdef:0", ":1: the weight is not a number above 0"),
        ("a:sk-0123456789abcdef:much", ":1: the weight is not a number above 0"),
        ("a:b:c:d", ":1 has 4 parts"),
        ("a:sk-0123456789abcdef\nb:sk-0123456789abcdef", "has one key twice"),
        ("a:sk-0123456789abcdef:1\na:sk-0123456789abcdeg:2", "gives a two weights"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_keys(written(tmp_path, text))
    assert message in str(caught.value)
    assert "sk-0123456789abcdef" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such key file"):
        load_keys(tmp_path / "none")
