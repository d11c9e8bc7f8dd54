"""Traces made of events, as an exporter in memory gets them."""

from __future__ import annotations

import pytest

from tests.in_process_engine import InProcessEngine, says
from tests.serving.running import serving

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dynasor.serving.tracing import Traces


async def test_a_program_is_a_span_and_its_requests_are_spans_within_it() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces = Traces(provider.get_tracer("test"))
    async with serving(InProcessEngine(says("2")), listener=traces.hear) as served:
        await served.chat("my secret", dynasor={"program_id": "mine"})
    *requests, program = exporter.get_finished_spans()
    assert program.name == "program self-consistency"
    assert program.attributes is not None
    assert program.attributes["dynasor.stop_reason"] == "certain"
    assert program.attributes["dynasor.tokens.main"] == 9
    assert [event.attributes["dynasor.samples"] for event in program.events if event.attributes] == [1, 2, 3]
    assert [span.name for span in requests] == ["request main"] * 3
    for span in requests:
        assert span.parent is not None and span.parent.span_id == program.context.span_id
        assert span.attributes is not None and span.attributes["dynasor.outcome"] == "finished"
    assert "secret" not in "".join(span.to_json() for span in exporter.get_finished_spans())
    provider.shutdown()
