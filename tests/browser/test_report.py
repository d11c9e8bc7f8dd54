"""A report in Chromium: drawn whole, read by keyboard, deaf to hostile answers, usable with ten thousand questions."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dynasor.reports import batch_report, render
from dynasor.reports.arms import Arm
from tests.cli.running import dynasor
from tests.cli.test_batch import write_questions
from tests.reports.results import arm, record
from tests.reports.test_page import HOSTILE

pytestmark = pytest.mark.browser


@pytest.fixture
def file_page(browser: Browser) -> Iterator[Page]:
    """A page from the disk, that must report no error and ask for nothing but itself."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(15_000)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    yield page
    context.close()
    assert complaints == []
    assert len(requests) == 1


def arms(num_questions: int = 120) -> list[Arm]:
    """Two arms: every third question is hard, and every sixth answered wrongly."""
    fixed, mine = [], []
    for number in range(num_questions):
        is_hard = number % 3 == 0
        answers = ["5", "4", "4", "4"] if is_hard else ["4"] * 4
        fixed.append(record(f"q{number}", samples=4, main=400 + number, stop_reason="cap", branches=answers))
        mine.append(
            record(
                f"q{number}",
                "5" if number % 6 == 0 else "4",
                samples=4 if is_hard else 1,
                main=400 if is_hard else 90,
                correct=number % 6 != 0,
                certaindex=0.4 if is_hard else 0.95,
                stop_reason="cap" if is_hard else "certain",
            )
        )
    return [arm("fixed", *fixed, is_baseline=True), arm("agreement", *mine, options={"model": "tiny"})]


def opened(page: Page, path: Path, shown: list[Arm]) -> Page:
    path.write_text(render(batch_report(shown)))
    page.goto(path.as_uri())
    return page


@pytest.fixture(scope="session")
def real_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a batch on the embedded engine, with its baseline: what the docs show."""
    folder = tmp_path_factory.mktemp("batch")
    questions = write_questions(folder / "questions.jsonl", 24, range(1, 8))
    report = folder / "report.html"
    arguments = ("-o", folder / "answers.jsonl", "-n", "8", "--compare", "fixed", "--report", report)
    done = dynasor("batch", questions, *arguments, timeout=300)
    assert done.returncode == 0, done.stderr
    return report


@pytest.mark.timeout(400)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "width"), [("desktop", 1280), ("phone", 390)])
def test_every_part_is_drawn_and_nothing_is_wider_than_the_screen(
    file_page: Page, real_report: Path, screenshots: Path, scheme: str, device: str, width: int
) -> None:
    file_page.set_viewport_size({"width": width, "height": 900})
    file_page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = file_page
    page.goto(real_report.as_uri())
    expect(page.locator("section")).to_have_count(9)
    expect(page.locator("canvas")).to_have_count(4)
    for canvas in page.locator("canvas").all():
        expect(canvas).to_have_attribute("aria-label", re.compile(r"\w+.*\. .*\d"))
        assert colours_in(canvas) > 3, "an empty chart"
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.screenshot(path=screenshots / f"report-{scheme}-{device}.png")


def colours_in(canvas: Locator) -> int:
    """How many different colours there are in a sample of its pixels."""
    counted = canvas.evaluate(
        """canvas => {
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let at = 0; at < data.length; at += 4 * 7) seen.add(data.slice(at, at + 4).join());
            return seen.size;
        }"""
    )
    return int(counted)


def test_questions_are_searched_sorted_turned_and_opened_by_keyboard(file_page: Page, tmp_path: Path) -> None:
    page = opened(file_page, tmp_path / "report.html", arms())
    table = page.locator("section.questions")
    status = table.get_by_role("status")
    expect(status).to_have_text("1 to 50 of 120")
    table.get_by_role("button", name="Next").press("Enter")
    expect(status).to_have_text("51 to 100 of 120")
    table.get_by_label("stopped").select_option("cap")
    expect(status).to_have_text("1 to 40 of 40")
    table.get_by_label("Search").fill("q11")
    expect(status).to_have_text("1 to 3 of 3")
    table.get_by_label("Search").fill("")
    table.get_by_role("button", name="tokens").press("Enter")
    expect(table.get_by_role("columnheader", name="tokens")).to_have_attribute("aria-sort", "descending")
    table.get_by_role("button", name="q0", exact=True).press("Enter")
    expect(table.locator(".opened")).to_contain_text("4 (400 tokens)")
    table.get_by_role("button", name="q0", exact=True).press("Enter")
    expect(table.locator(".opened")).to_have_count(0)
    table.get_by_label("Search").fill("nothing like it")
    expect(status).to_have_text("no question fits")


def test_hostile_answers_are_text(file_page: Page, tmp_path: Path) -> None:
    records = [record(text, text, stop_reason=text) | {"error": text} for text in HOSTILE]
    page = opened(file_page, tmp_path / "report.html", [arm(HOSTILE[0], *records)])
    assert page.locator("img").count() == 0
    assert page.locator("main script").count() == 0
    expect(page.locator("section.questions tbody tr").first.locator("td").nth(1)).to_have_text(HOSTILE[0])
    page.locator("section.questions tbody button").first.click()
    expect(page.locator(".opened dd").first).to_have_text(HOSTILE[0])


def test_ten_thousand_questions_stay_usable(file_page: Page, tmp_path: Path) -> None:
    records = [record(f"question-{number:05d}", str(number), main=number) for number in range(10_000)]
    page = opened(file_page, tmp_path / "report.html", [arm("agreement", *records)])
    status = page.get_by_role("status")
    expect(status).to_have_text("1 to 50 of 10,000")
    assert page.locator("section.questions tbody tr").count() == 50
    began = time.monotonic()
    page.get_by_label("Search").fill("question-0777")
    expect(status).to_have_text("1 to 10 of 10")
    assert time.monotonic() - began < 5


def test_the_numbers_of_a_chart_are_a_table_as_well(file_page: Page, tmp_path: Path) -> None:
    page = opened(file_page, tmp_path / "report.html", arms())
    page.get_by_text("The numbers").nth(3).click()
    cells = page.get_by_role("region", name="Why questions stopped").get_by_role("cell")
    expect(cells).to_have_text(["certain", "0.0 %", "66.7 %", "cap", "100.0 %", "33.3 %"])


def test_on_paper_it_is_light(file_page: Page, tmp_path: Path) -> None:
    file_page.emulate_media(color_scheme="dark")
    page = opened(file_page, tmp_path / "report.html", arms())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    expect(page.get_by_label("Search")).to_be_hidden()
