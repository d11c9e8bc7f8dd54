"""The compare page, on results of the simulator and of benchmarks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.running import EmbeddedServer
from tests.cli.running import dynasor

pytestmark = pytest.mark.browser
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = tmp_path_factory.mktemp("simulated") / "simulated.json"
    done = dynasor("simulate", "--programs", "40", "--policy", "sjf", "--policy", "fcfs", "--json")
    assert done.returncode == 0, done.stderr
    result.write_text(done.stdout)
    return result


def test_two_arms_of_a_simulation(page: Page, server: EmbeddedServer, simulated: Path) -> None:
    page.goto(f"{server.url}/compare")
    page.set_input_files("#file", simulated)
    expect(page.locator("#about")).to_contain_text("fcfs")
    row = page.locator("#measures tbody tr", has_text=re.compile(r"^latency_\W*s\.\W*mean"))
    expect(row.locator("td").first).to_contain_text(re.compile(r"\d"))
    page.select_option("#right", index=0)
    expect(row.locator("td").last).to_have_text("equal")


@pytest.mark.parametrize("name", ["algorithms.json", "policies_on_engine.json", "stop_rules.json"])
def test_results_of_benchmarks(page: Page, server: EmbeddedServer, name: str) -> None:
    page.goto(f"{server.url}/compare")
    page.set_input_files("#file", RESULTS / name)
    expect(page.locator("#measures")).to_contain_text("accuracy")


def test_a_file_that_is_none(page: Page, server: EmbeddedServer, tmp_path: Path) -> None:
    page.goto(f"{server.url}/compare")
    for text in ("{", "{}", "[]", "3"):
        (tmp_path / "bad.json").write_text(text)
        page.set_input_files("#file", tmp_path / "bad.json")
        expect(page.locator("#error")).to_contain_text("bad.json cannot be compared.")
