"""The live page in Chromium, on a real server with the embedded model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.running import EASY, ENDLESS, HARD, EmbeddedServer, post, scripted
from tests.in_process_engine import says

pytestmark = pytest.mark.browser
CONNECTED = "#status[data-status=connected]"
BARS = "() => Chart.getChart(document.querySelector('#rate-chart canvas')).data.datasets[0].data"


def opened(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(CONNECTED)


def drawn(page: Page) -> tuple[int, Any]:
    """Programs in the bars of the first chart, and its picture."""
    return sum(page.evaluate(BARS)), page.evaluate("document.querySelector('#rate-chart canvas').toDataURL()")


def test_programs_appear_and_the_chart_moves(page: Page, server: EmbeddedServer) -> None:
    opened(page, server.url)
    before = drawn(page)
    asked = server.ask_later(EASY, program_id="appears", max_samples=3)
    expect(page.get_by_role("link", name="appears").first).to_be_visible()
    finished = page.locator("#finished tr", has_text="appears")
    expect(finished).to_contain_text("84")
    expect(finished).to_contain_text(asked.result(30)["dynasor"]["stop_reason"])
    after = drawn(page)
    assert after[0] == before[0] + 1
    assert after[1] != before[1]
    expect(page.locator("#spoken")).to_contain_text("finished.")


def test_those_who_wait_have_a_place_and_a_reason(page: Page, server: EmbeddedServer) -> None:
    opened(page, server.url)
    names = [f"waits-{number}" for number in range(12)]
    asked = [server.ask_later(EASY, program_id=name, max_samples=2, allocator="fixed") for name in names]
    row = page.locator("#queue tbody tr").first
    expect(row).to_contain_text("tokens expected, came after")
    expect(row.locator("th")).to_have_text("1")
    expect(page.locator("#replicas")).to_contain_text("embedded-1")
    for each in asked:
        each.result(60)
    expect(page.locator("#queue")).to_contain_text("Nobody waits.")


def test_a_lost_server_is_said_and_found_again(page: Page) -> None:
    with EmbeddedServer(num_replicas=1) as server:
        opened(page, server.url)
        server.kill()
        expect(page.locator("#status")).to_contain_text("Disconnected")
        server.start()
        expect(page.locator("#status")).to_have_text("Live")
        server.ask(EASY, program_id="afterwards", max_samples=1)
        expect(page.locator("#finished")).to_contain_text("afterwards")


def test_a_page_left_open_does_not_grow(page: Page) -> None:
    """However many programs come and go, it holds as many elements and as much memory as after the first."""
    with scripted(says("2")) as url:
        opened(page, url)
        after_some = held_after(page, url, range(60))
        after_many = held_after(page, url, range(60, 400))
        page.goto("about:blank")
    assert after_many["nodes"] <= 1.05 * after_some["nodes"]
    assert after_many["bytes"] <= 1.2 * after_some["bytes"]


def held_after(page: Page, url: str, numbers: range) -> dict[str, float]:
    """Elements and bytes that the page holds once programs of these numbers are over."""
    with ThreadPoolExecutor(8) as clients:
        for asked in [clients.submit(post, url, f"Question {number}", f"p-{number}") for number in numbers]:
            asked.result(30)
    expect(page.locator("#tiles")).to_contain_text(f"Finished{numbers.stop}0 failed")
    inspector = page.context.new_cdp_session(page)
    inspector.send("HeapProfiler.collectGarbage")
    nodes = inspector.send("Memory.getDOMCounters")["nodes"]
    return {"nodes": nodes, "bytes": inspector.send("Runtime.getHeapUsage")["usedSize"]}


@pytest.mark.parametrize("path", ["/", "/program?id=tree", "/program?id=chain", "/program?id=samples", "/compare"])
def test_a_phone_is_wide_enough(page: Page, scene: EmbeddedServer, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(scene.url + path)
    if path != "/compare":
        page.wait_for_selector(CONNECTED)
        page.wait_for_selector("main table td, main .bars", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_keyboard_is_enough(page: Page, server: EmbeddedServer) -> None:
    """From the top of the live page to a program, and to the button that stops it."""
    asked = server.ask_later(HARD, program_id="long", **ENDLESS)
    opened(page, server.url)
    page.locator("#at-work").get_by_role("link", name="long", exact=True).wait_for()
    assert tabbed_to(page, "To the content") == 1, "first of all, the way past the navigation"
    page.keyboard.press("Enter")
    tabbed_to(page, "long")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stop:visible")
    tabbed_to(page, "Stop this program")
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_contain_text("stopped: stopped")
    expect(page.locator("#stop")).to_be_hidden()
    assert asked.result(30)["dynasor"]["stop_reason"] == "stopped"


def tabbed_to(page: Page, name: str) -> int:
    """Press Tab until the element of this text has the focus; how often that took."""
    for number in range(1, 60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == name:
            return number
    raise AssertionError(f"no Tab leads to {name!r}")


@pytest.mark.parametrize("path", ["/", "/program?id=tree"])
def test_what_a_screen_reader_finds(page: Page, scene: EmbeddedServer, path: str) -> None:
    opened(page, scene.url + path)
    for landmark in ("banner", "navigation", "main"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    for picture in page.locator("canvas:visible, svg:visible").all():
        assert picture.get_attribute("role") == "img"
        assert len(picture.get_attribute("aria-label") or "") > 10
    for figure in page.locator("figure:has(canvas)").all():
        figure.locator("summary").click()
        expect(figure.locator("table th[scope=col]").first).to_be_visible()
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("[aria-live], [role=status]").count() >= 2
