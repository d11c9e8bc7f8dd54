"""OpenTelemetry traces made of events: a span for each program, within it one for each of its requests.

Needs the extra ``tracing``. Where spans go is told by the environment, as OpenTelemetry has it
(``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_SERVICE_NAME``). Nothing that a user wrote is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from dynasor.events import (
    CertaindexMeasured,
    Event,
    Listener,
    ProgramEnded,
    ProgramStarted,
    RequestEnded,
    RequestMoved,
    RequestStarted,
)
from dynasor.serving.program_log import PROGRAM_NAMES
from dynasor.vocabulary import Answer


class Traces:
    """Turns events into spans of ``tracer``."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._programs: dict[str, Span] = {}
        self._requests: dict[str, Span] = {}

    def hear(self, event: Event) -> None:
        if isinstance(event, ProgramStarted):
            self._start_program(event)
        elif isinstance(event, RequestStarted):
            self._start_request(event)
        elif isinstance(event, RequestMoved):
            self._end_request(event.request_id, event.num_tokens, "moved")
        elif isinstance(event, RequestEnded):
            self._end_request(event.request_id, event.num_tokens, "cancelled" if event.cancelled else "finished")
        elif isinstance(event, CertaindexMeasured):
            self._measure(event)
        elif isinstance(event, ProgramEnded):
            self._end_program(event)

    def _start_program(self, event: ProgramStarted) -> None:
        name = PROGRAM_NAMES.get(event.program, event.program)
        attributes: dict[str, str | int] = {
            "dynasor.program_id": event.program_id,
            "dynasor.program": name,
            "dynasor.max_samples": event.cap,
            "dynasor.tenant": event.tenant,
        }
        self._programs[event.program_id] = self._tracer.start_span(
            f"program {name}", kind=SpanKind.SERVER, attributes=attributes
        )

    def _start_request(self, event: RequestStarted) -> None:
        program = self._programs.get(event.program_id)
        if program is None:
            return
        attributes: dict[str, str | float] = {
            "dynasor.request_id": event.request_id,
            "dynasor.kind": event.kind.value,
            "dynasor.replica": event.replica,
            "dynasor.queue_s": event.queue_s,
        }
        self._requests[event.request_id] = self._tracer.start_span(
            f"request {event.kind.value}",
            context=set_span_in_context(program),
            kind=SpanKind.CLIENT,
            attributes=attributes,
        )

    def _end_request(self, request_id: str, num_tokens: int, outcome: str) -> None:
        span = self._requests.pop(request_id, None)
        if span is not None:
            span.set_attribute("dynasor.tokens", num_tokens)
            span.set_attribute("dynasor.outcome", outcome)
            span.end()

    def _measure(self, event: CertaindexMeasured) -> None:
        program = self._programs.get(event.program_id)
        if program is not None:
            measured = {"dynasor.certaindex": event.certaindex.value, "dynasor.samples": event.finished}
            program.add_event("certaindex", attributes=measured)

    def _end_program(self, event: ProgramEnded) -> None:
        span = self._programs.pop(event.program_id, None)
        if span is None:
            return
        if event.answer is not None:
            describe(span, event.answer)
        span.end()


def describe(span: Span, answer: Answer) -> None:
    span.set_status(Status(StatusCode.OK))
    span.set_attribute("dynasor.certaindex", answer.certaindex.value)
    span.set_attribute("dynasor.stop_reason", answer.stop_reason.value)
    span.set_attribute("dynasor.samples", answer.num_samples)
    for kind in answer.usage.__slots__:
        span.set_attribute(f"dynasor.tokens.{kind}", getattr(answer.usage, kind))


@contextmanager
def exported_traces() -> Iterator[Listener]:
    """A listener whose spans are sent by OTLP over HTTP; the last of them when the block is left."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield Traces(provider.get_tracer("dynasor")).hear
    finally:
        provider.shutdown()
