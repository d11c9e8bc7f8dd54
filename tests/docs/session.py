"""A page as one session: its blocks in order, in a folder of its own, against engines and servers that really run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.processes import free_port, server_process
from dynasor.engines.embedded import SHIPPED_MODEL
from dynasor.models.question_sets import Split, question_lines
from dynasor.programs import Program
from tests.docs.blocks import ROOT, Block, commands_of
from tests.docs.not_run import NOT_RUN, SHOWN, WITH_A_STAND_IN

COMMAND_TIMEOUT_S = 280.0
OUR_PORT = "http://127.0.0.1:8200"
SHELL = ("bash", "sh")
CURL = 'curl() { command curl --fail-with-body --silent --show-error "$@"; }\n'
TYPED = "A shop has 7 boxes of 12 pens. How many pens are there?\n"
"""What is typed into a command that reads from a terminal."""

Urls = Callable[[str], str]


@dataclass
class PageSession:
    """Runs the blocks of one page, in ``folder``, where the caller is. ``url_of`` starts the server that a name stands
    for, once it is asked for it."""

    page: str
    folder: Path
    url_of: Urls
    stack: ExitStack
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    ran: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    our_url: str | None = None
    our_server: ExitStack | None = None

    def run(self, block: Block) -> None:
        """Run or read ``block``; AssertionError if it fails, or is of no kind that is known."""
        if block.title is not None:
            (self.folder / block.title).write_text(block.text)
        if block.language in SHELL:
            for command in commands_of(block.text):
                self.run_command(command, block)
        elif block.language == "python" and not block.is_fragment:
            self.run_python(block)
        elif block.language in READERS:
            read = READERS[block.language](block.text)
            if block.like is not None:
                made = json.loads((self.folder / block.like).read_text().splitlines()[0])
                assert shape(read) == shape(made), f"{block} is not like {made}"
        elif not (block.title is not None and block.language == "text"):
            self.leave_out(block)

    def leave_out(self, block: Block) -> None:
        for page, beginning in SHOWN:
            if page == block.page and block.text.lstrip().startswith(beginning):
                self.left_out.append((page, beginning))
                return
        raise AssertionError(
            f"{block} is neither run nor listed with a reason in tests/docs/not_run.py: {block.info!r}"
        )

    def run_command(self, command: str, block: Block) -> None:
        for page, beginning in NOT_RUN:
            if page == block.page and command.startswith(beginning):
                self.left_out.append((page, beginning))
                return
        whole = self.with_our_urls(command)
        if command.startswith("dynasor serve"):
            self.serve(whole)
            return
        finished = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", CURL + whole],
            cwd=self.folder,
            env=self.environment,
            input=TYPED,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert finished.returncode == 0, f"{block}: {whole}\n{finished.stdout[-2000:]}\n{finished.stderr[-2000:]}"
        self.ran.append(command)

    def run_python(self, block: Block) -> None:
        source = "\n" * block.line + self.with_our_urls(block.text)
        exec(compile(source, block.page, "exec"), self.names)

    def serve(self, command: str) -> None:
        """Start a server of ours in place of the one before, and wait until it is ready."""
        if self.our_server is not None:
            self.our_server.close()
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self.our_server = self.stack.enter_context(ExitStack())
        process = server_process(
            command,
            ["bash", "-c", f"exec {command.partition('#')[0].strip()} --port {port}"],
            f"{url}/health/ready",
            self.folder / f"server-{port}.log",
            self.environment,
        )
        self.our_server.enter_context(process)
        self.our_url = url
        self.ran.append(command)

    def with_our_urls(self, text: str) -> str:
        """``text`` with the addresses of servers that run, and the server of ours where the default one is meant."""
        if OUR_PORT in text or re.match(r"dynasor chat(\s+#|$)", text):
            if self.our_url is None:
                self.serve("dynasor serve")
            text = re.sub(r"^dynasor chat(?=\s+#|$)", f"dynasor chat --url {OUR_PORT}", text)
            text = text.replace(OUR_PORT, self.our_url or "")
        return re.sub(r"http://(?:127\.0\.0\.1:800[012]|a:8000|b:8000)", lambda match: self.url_of(match[0]), text)

    @property
    def programs(self) -> list[type[Program]]:
        """The programs that the page's Python defined."""
        defined = [each for each in self.names.values() if isinstance(each, type) and each.__module__ == "__main__"]
        return [each for each in defined if hasattr(each, "execute")]

    @property
    def environment(self) -> dict[str, str]:
        commands = self.folder / ".bin"
        if not commands.exists():
            commands.mkdir()
            shim = commands / "dynasor"
            shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m dynasor "$@"\n')
            shim.chmod(0o755)
        named = {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": f"{ROOT / 'src'}:{self.folder}"}
        engine = {"DYNASOR_ENGINE": self.url_of("stand-in")} if self.page in WITH_A_STAND_IN else {}
        return {**os.environ, **named, **engine, "COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}


def shape(value: object) -> object:
    """The members of an object, and of those in it."""
    return {name: shape(each) for name, each in value.items()} if isinstance(value, dict) else None


READERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "jsonl": lambda text: [json.loads(line) for line in text.splitlines()],
    "toml": tomllib.loads,
}


@contextmanager
def page_session(page: str, folder: Path, url_of: Urls) -> Iterator[PageSession]:
    """A session in ``folder``, with what a reader has at hand: questions, a model file, the examples."""
    questions = [json.loads(line) for _, line in zip(range(1), question_lines(Split.TEST), strict=False)]
    (folder / "questions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in questions))
    (folder / "questions.txt").write_text(TYPED)
    for name in ("model.gguf", "qwen2.5-1.5b-instruct-q4_k_m.gguf"):
        (folder / name).symlink_to(SHIPPED_MODEL)
    for name in ("examples", "deploy"):
        (folder / name).symlink_to(ROOT / name)
    with ExitStack() as stack:
        yield PageSession(page, folder, url_of, stack)
