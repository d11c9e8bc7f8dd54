"""What models and users write stays text, and keys stay where they belong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dynasor.serving import KeyRing
from dynasor.serving.keys import Key, digest_of
from tests.browser.running import post, scripted
from tests.browser.test_live import opened
from tests.in_process_engine import says

pytestmark = pytest.mark.browser
HOSTILE = ('<img src=x onerror="window.harmed=1">', "</script><script>window.harmed=1</script>")
ALICE, BOB = "sk-alice-0123456789", "sk-bob-0123456789ab"
RING = KeyRing([Key("alice", digest_of(ALICE)), Key("bob", digest_of(BOB))])


def assert_unharmed(page: Page) -> None:
    assert page.evaluate("window.harmed") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("script:not([src])").count() == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_answers_and_questions_stay_text(page: Page, text: str) -> None:
    with scripted(says(text, text, "7")) as url:
        post(url, text, "hostile")
        opened(page, url)
        expect(page.locator("#finished")).to_contain_text(text[:50])
        assert_unharmed(page)
        page.get_by_role("link", name="hostile").click()
        expect(page.locator("#question")).to_have_text(text)
        expect(page.locator("#clusters")).to_contain_text(text)
        expect(page.locator("#solution")).to_contain_text(text)
        assert_unharmed(page)
        page.goto("about:blank")


def test_hostile_results_stay_text(page: Page, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    arms = [{"arm": text, "latency_s": {"mean": 1.5}, text: 1} for text in HOSTILE]
    result.write_text(json.dumps({"arms": arms}))
    with scripted(says("2")) as url:
        page.goto(f"{url}/compare")
        page.set_input_files("#file", result)
        expect(page.locator("#about")).to_contain_text(HOSTILE[0])
        expect(page.locator("#measures")).to_contain_text(HOSTILE[1])
        assert_unharmed(page)


def test_inline_scripts_would_not_run(browser: Browser) -> None:
    """The policy is the second wall, should the first ever fall."""
    with scripted(says("2")) as url, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{url}/compare")
        with page.expect_event("console", lambda message: "Content Security Policy" in message.text):
            harm = "<img src=/dashboard/none onerror='window.harmed=1'>"
            page.evaluate("harm => document.body.insertAdjacentHTML('beforeend', harm)", harm)
        assert page.evaluate("window.harmed") is None


def test_a_key_is_asked_for_and_kept_in_the_tab(page: Page) -> None:
    with scripted(says("2"), keys=RING) as url:
        post(url, "What is 1+1?", "hers", ALICE)
        post(url, "What is 1+2?", "his", BOB)
        page.goto(url)
        page.get_by_label("Key").fill("sk-nobody-0123456789")
        page.keyboard.press("Enter")
        expect(page.locator("#key-error")).to_have_text("The server does not know this key.")
        page.get_by_label("Key").fill(ALICE)
        page.get_by_role("button", name="Watch").click()
        expect(page.locator("#finished")).to_contain_text("hers")
        expect(page.locator("#finished")).not_to_contain_text("his")
        page.get_by_role("link", name="hers").click()
        expect(page.locator("#question")).to_have_text("What is 1+1?")
        assert ALICE not in page.url
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        page.get_by_role("button", name="Forget the key").click()
        expect(page.get_by_label("Key")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0
        page.goto("about:blank")
