"""Pictures of each page, light and dark, on a desktop and on a phone. ``--screenshots`` writes them into the docs."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from dynasor.models.question_sets import Split, question_lines
from tests.browser.running import HARD, EmbeddedServer
from tests.browser.test_compare import simulated

__all__ = ["simulated"]

pytestmark = pytest.mark.browser
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = {"desktop": (1200, 800), "phone": (360, 740)}
MOST_HIGH = 2400
LONG = [f"long-{number}" for number in range(1, 9)]


@pytest.fixture(scope="module")
def busy(screenshots: Path, scene: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """The server with some history, and with more to do than it has places for."""
    questions = [json.loads(line)["question"] for line in question_lines(Split.TEST)][::60]
    for asked in [scene.ask_later(question, max_samples=4, max_tokens=100) for question in questions]:
        asked.result(120)
    asked_long = [scene.ask_later(HARD, program_id=name, max_samples=128, allocator="fixed") for name in LONG]
    yield scene
    for name in LONG:
        request = urllib.request.Request(f"{scene.url}/v1/programs/{name}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()
    for each in asked_long:
        each.result(30)


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SCHEMES)
def look(request: pytest.FixtureRequest, browser: Browser, width: str) -> Iterator[Page]:
    wide, high = WIDTHS[width]
    context = browser.new_context(
        color_scheme=request.param, reduced_motion="reduce", viewport={"width": wide, "height": high}
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def picture(page: Page, folder: Path, name: str, width: str) -> None:
    """Everything fits the page's width; what is below ``MOST_HIGH`` is left out."""
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    high = min(MOST_HIGH, page.evaluate("document.documentElement.scrollHeight"))
    page.screenshot(
        path=folder / f"{name}-{width}-{'dark' if is_dark else 'light'}.png",
        full_page=True,
        clip={"x": 0, "y": 0, "width": WIDTHS[width][0], "height": high},
    )


@pytest.mark.parametrize("name", ["samples", "tree", "rollouts", "chain"])
def test_a_program_of_each_kind(screenshots: Path, look: Page, width: str, scene: EmbeddedServer, name: str) -> None:
    look.goto(f"{scene.url}/program?id={name}")
    look.wait_for_selector("#status[data-status=connected]")
    look.wait_for_selector("#clusters td", state="attached")
    picture(look, screenshots, name, width)


def test_two_policies_compared(
    screenshots: Path, look: Page, width: str, scene: EmbeddedServer, simulated: Path
) -> None:
    look.goto(f"{scene.url}/compare")
    look.set_input_files("#file", simulated)
    look.wait_for_selector("#measures td", state="attached")
    picture(look, screenshots, "compare", width)


def test_live(screenshots: Path, look: Page, width: str, busy: EmbeddedServer) -> None:
    look.goto(busy.url)
    expect(look.locator("#queue tbody tr").first).to_be_visible()
    picture(look, screenshots, "live", width)


def test_pictures_are_not_blank(screenshots: Path) -> None:
    made = sorted(screenshots.glob("*.png"))
    assert len(made) == 6 * len(WIDTHS) * len(SCHEMES)
    assert all(each.stat().st_size > 10_000 for each in made), json.dumps([each.name for each in made])
