"""A program's page in Chromium, for each kind of program."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.running import EASY, ENDLESS, HARD, EmbeddedServer
from tests.browser.test_live import opened

pytestmark = pytest.mark.browser
CERTAINDEX_SAID = re.compile(r"Certaindex over tokens: 0?1?\.\d\d after \d+ tokens, stopped: \w+")


def test_a_vote_shows_its_samples_and_their_answers(page: Page, scene: EmbeddedServer) -> None:
    opened(page, f"{scene.url}/program?id=samples")
    expect(page.locator("#question")).to_have_text(HARD)
    samples = page.locator("#shape li").count()
    grouped = page.locator("#clusters tbody tr td:nth-child(2)").all_inner_texts()
    assert samples == sum(map(int, grouped)) > 0
    expect(page.locator("#certaindex-chart canvas")).to_have_attribute("aria-label", CERTAINDEX_SAID)
    assert page.locator("#timeline rect").count() >= samples
    expect(page.locator("#kinds")).to_contain_text("main: samples and chains")


@pytest.mark.parametrize("name", ["tree", "rollouts"])
def test_a_search_shows_its_tree(page: Page, scene: EmbeddedServer, name: str) -> None:
    opened(page, f"{scene.url}/program?id={name}")
    nodes = page.locator("#shape circle.node")
    assert nodes.count() > 6
    assert page.locator("#shape circle.leaf").count() > 0
    fills = {each.evaluate("node => getComputedStyle(node).fill") for each in nodes.all()[1:]}
    assert len(fills) > 1, "coloured by reward"
    assert page.locator("#shape .steps li").count() == nodes.count() - 1, "as a list, too"


def test_a_chain_shows_its_probes(page: Page, scene: EmbeddedServer) -> None:
    opened(page, f"{scene.url}/program?id=chain")
    assert page.locator("#shape circle.mark").count() >= 2
    expect(page.locator("#shape line.stop")).to_have_count(1)
    assert page.locator("#timeline rect.probe").count() >= 2


def test_a_program_is_stopped(page: Page, server: EmbeddedServer) -> None:
    asked = server.ask_later(HARD, program_id="stops", **ENDLESS)
    opened(page, server.url)
    page.locator("#at-work").get_by_role("link", name="stops").click()
    page.get_by_role("button", name="Stop this program").click()
    expect(page.locator("#said")).to_contain_text("Stopped.")
    expect(page.locator("#facts")).to_contain_text("stopped: stopped")
    assert asked.result(30)["dynasor"]["stop_reason"] == "stopped"
    assert server.ask(EASY, max_samples=1)["dynasor"]["answer"] == "84", "the server goes on"


def test_a_program_that_is_not_there(page: Page, server: EmbeddedServer) -> None:
    page.goto(f"{server.url}/program?id=nobody")
    expect(page.locator("#said")).to_contain_text("there is no program 'nobody'")
