"""Every block of the pages is run as it is written: shell and Python for real, in the order of the page; data is read.

What is not run is listed with a reason in ``not_run.py``. A block with a title is the content of that file.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.passthrough import embedded_server
from benchmarks.processes import free_port, server_process
from dynasor import Answer, AnswerReader, Fixed, Options, Program, Question, Runtime
from tests.docs.blocks import Block, blocks_of, commands_of, pages
from tests.docs.not_run import MADE_BY_A_COMMAND, NOT_RUN, SHOWN, WITH_A_STAND_IN
from tests.docs.session import Urls, page_session
from tests.in_process_engine import InProcessEngine, says

RUN = [page for page in pages() if page not in MADE_BY_A_COMMAND]


@pytest.fixture(scope="module")
def url_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    """Starts the servers that the pages take to be there, once each: the embedded engine, and a scripted one."""
    folder = tmp_path_factory.mktemp("servers")
    started: dict[str, str] = {}
    with ExitStack() as stack:

        def engine() -> str:
            if "engine" not in started:
                started["engine"] = stack.enter_context(embedded_server())
            return started["engine"]

        def stand_in() -> str:
            if "stand-in" not in started:
                port = free_port()
                url = f"http://127.0.0.1:{port}"
                command = [sys.executable, str(Path(__file__).with_name("stand_in.py")), str(port)]
                stack.enter_context(server_process("stand-in", command, f"{url}/v1/models", folder / "stand-in.log"))
                started["stand-in"] = url
            return started["stand-in"]

        def find(name: str) -> str:
            if name in ("stand-in", "http://127.0.0.1:8002"):
                return stand_in()
            url = engine()  # a second name makes a second replica of it
            return url.replace("127.0.0.1", "localhost") if name in ("http://127.0.0.1:8001", "http://b:8000") else url

        yield find


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in RUN if list(blocks_of(page))])
def test_what_the_page_says_runs(
    page: str, tmp_path: Path, url_of: Urls, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with page_session(page, tmp_path, url_of) as session:
        for block in blocks_of(page):
            session.run(block)
        for program in session.programs:
            assert asyncio.run(answer_of(program())).text == "7", f"{program.__name__} of {page}"
    expected = [entry for entry in (*NOT_RUN, *SHOWN) if entry[0] == page]
    assert sorted(set(session.left_out)) == sorted(expected), "an entry of not_run.py fits nothing on its page"


async def answer_of(program: Program) -> Answer:
    """What ``program`` says on an engine that always says 7."""
    async with InProcessEngine(says("7")) as engine, AnswerReader() as reader:
        return await Runtime(engine, reader).run(Question.of_text("What is 3 + 4?"), program, Fixed(), Options())


def test_the_lists_name_pages_that_are_there_or_awaited() -> None:
    assert {page for page, _ in (*NOT_RUN, *SHOWN)} <= set(RUN)
    assert set(WITH_A_STAND_IN) <= set(RUN)


def test_every_block_says_of_what_kind_it_is() -> None:
    nameless = [str(block) for page in pages() for block in blocks_of(page) if not block.language]
    assert not nameless, f"text, console, json, ...: {', '.join(nameless)}"


def test_commands_go_on_while_a_quote_or_a_line_does() -> None:
    text = "# first\na b  # why\nc \\\n  d\ne '{\n 1}'\n"
    assert list(commands_of(text)) == ["a b  # why", "c \\\n  d", "e '{\n 1}'"]


def test_a_block_knows_its_kind_and_its_file() -> None:
    block = Block("a.md", 1, 'python title="mine.py"', "")
    assert (block.language, block.title, block.is_fragment) == ("python", "mine.py", False)
    assert Block("a.md", 1, "python fragment", "").is_fragment
