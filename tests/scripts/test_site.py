"""The pages hold together as they lie in the repository, and the checker of the built site finds what is broken.

Building it takes Zensical, in an environment of its own: ``make docs``, which CI runs.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import python_reference, site
from scripts.site_check import problems_of
from scripts.site_pages import paths, without


def test_every_page_is_in_the_menu_and_every_link_leads_to_a_file(tmp_path: Path) -> None:
    nav = site.pages()
    site.stage(nav, tmp_path / "source")
    for page in paths(nav):
        assert (tmp_path / "source" / page).is_file()


def test_anchors_are_those_that_code_hosts_make_too() -> None:
    for page in paths(site.pages()):
        text = site.CODE.sub("", (site.ROOT / page).read_text())
        for target, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)#([^)\s]+)\)", text):
            aimed = site.resolved(page, target) if target else page
            assert anchor in slugs(aimed), f"{page} links to {target}#{anchor}"


def slugs(page: str) -> set[str]:
    """The anchors that a code host gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", (site.ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_python_reference_is_as_the_code_has_it() -> None:
    assert python_reference.PAGE.read_text() == python_reference.page(), "run make reference"


def test_a_link_to_nothing_is_named() -> None:
    with pytest.raises(site.SiteError, match=r"docs/faq\.md links to gone\.md, and there is no docs/gone\.md"):
        site.resolved("docs/faq.md", "gone.md")


def test_links_in_code_are_no_links() -> None:
    assert list(site.links("[a](a.md#b) `[c](c.md)` [d](https://x/d.md) [e](#e)\n```\n[f](f.md)\n```\n")) == ["a.md"]


def test_folders_are_named_by_their_first_page_and_fragments_lose_the_word() -> None:
    text = "[all](docs/algorithms) [one](docs/faq.md#x)\n```python fragment\n1\n```\n"
    expected = "[all](docs/algorithms/README.md) [one](docs/faq.md#x)\n```python\n1\n```\n"
    assert site.for_the_site(text, "README.md") == expected


def test_what_the_site_lacks_is_named_without_a_link() -> None:
    assert (
        site.without_lacking("[stored](../benchmarks/results), [faq](faq.md)", "docs/api.md") == "stored, [faq](faq.md)"
    )


def test_a_section_without_pages_is_left_out() -> None:
    assert without([{"A": "a.md"}, {"B": [{"C": "c.md"}]}], frozenset({"c.md"})) == [{"A": "a.md"}]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="b.html">', "a.html links to b.html, which is not there"),
        ('<a href="#x">', "a.html links to #x, which has no such anchor"),
        ('<a href="a.html#x">', "a.html links to a.html#x, which has no such anchor"),
        ('<img src="b.svg">', "a.html needs b.svg, which is not there"),
        ('<script src="https://x.test/a.js">', "a.html fetches https://x.test/a.js from another host"),
        ('<link rel="stylesheet" href="//x.test/a.css">', "a.html fetches //x.test/a.css from another host"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, body: str, problem: str) -> None:
    (tmp_path / "a.html").write_text(body)
    assert list(problems_of(tmp_path)) == [problem]


def test_styles_fetch_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<h1 id="x"></h1><a href="#x"></a><a href="https://x.test"></a>')
    assert list(problems_of(tmp_path)) == []
    (tmp_path / "a.css").write_text("@import url(https://x.test/font.css);")
    assert list(problems_of(tmp_path)) == ["a.css fetches from another host"]
