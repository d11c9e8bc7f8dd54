"""The API as it describes itself: requests made from the description, and others, never break the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.in_process_engine import InProcessEngine, says
from tests.serving.running import serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
Operation = Any
NUM_OPERATIONS = 11
ENDLESS = "/v1/dashboard/events"
"""A client that waits for its end waits for ever; test_dashboard asks it."""


def serve(url: Future[str], stop: threading.Event) -> None:
    async def work() -> None:
        async with serving(InProcessEngine(says("2"))) as served:
            url.set_result(served.url)
            await asyncio.to_thread(stop.wait)
            await served.service.all_over()
            served.assert_nothing_left()

    asyncio.run(work())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server in a thread of its own, for a client that does not wait asynchronously."""
    told: Future[str] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(told, stop))
    thread.start()
    yield told.result(30)
    stop.set()
    thread.join()


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_breaks_the_server(url: str, mode: GenerationMode) -> None:
    described = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations: list[Operation] = [result.ok() for result in described.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) == NUM_OPERATIONS
    for operation in operations:
        if operation.path != ENDLESS and has_cases(operation, mode):
            check_operation(operation, mode)


def has_cases(operation: Operation, mode: GenerationMode) -> bool:
    """What takes no parameters and no body cannot be asked wrongly."""
    return mode is GenerationMode.POSITIVE or operation.method == "post"


def check_operation(operation: Operation, mode: GenerationMode) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def check(case: Any) -> None:
        response = case.call(timeout=20)
        case.validate_response(response, checks=CHECKS)

    check()
