from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.chromium import ARGUMENTS, chromium
from tests.browser.running import HARD, KINDS, EmbeddedServer

TIMEOUT_MS = 30_000
"""Long, for the engines and the browser may share one slow core."""
SCREENSHOTS = Path(__file__).parents[2] / "docs" / "screenshots"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", action="store_true", help="Write docs/screenshots anew.")


@pytest.fixture(scope="session")
def screenshots(request: pytest.FixtureRequest) -> Path:
    """Where pictures go, where they are asked for."""
    if not request.config.getoption("--screenshots", default=False):
        pytest.skip("no --screenshots")
    SCREENSHOTS.mkdir(exist_ok=True)
    return SCREENSHOTS


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must not report any error, nor ask another host for anything."""
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: errors.extend([request.url] * (not is_ours(request.url))))
    page.on("console", lambda message: errors.extend([message.text] * ("Content Security Policy" in message.text)))
    yield page
    context.close()
    assert errors == []


def is_ours(url: str) -> bool:
    return url.startswith("http://127.0.0.1:")


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="session")
def scene(server: EmbeddedServer) -> EmbeddedServer:
    """The server, after a program of each kind has finished."""
    for asked in [server.ask_later(HARD, program_id=name, **wants) for name, wants in KINDS.items()]:
        asked.result(60)
    return server
