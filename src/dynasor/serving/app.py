"""The HTTP application: which path does what. Each endpoint reads, asks the service, and writes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence

from aiohttp import web

from dynasor.serving.answering import Job, answer_stream, answer_whole
from dynasor.serving.dashboard.assets import add_pages
from dynasor.serving.dashboard.watching import watch
from dynasor.serving.edge import REQUEST_ID_HEADER, SERVICE, TENANT, CrossOrigin, as_json, body_of, edge
from dynasor.serving.fields import Fields, parse_object
from dynasor.serving.limits import Limits
from dynasor.serving.openapi import description
from dynasor.serving.plans import plan_for, program_for, relay_options
from dynasor.serving.program_log import scoped_id
from dynasor.serving.program_pages import page_of, summary_of
from dynasor.serving.relaying import Letter, relay
from dynasor.serving.requests import PASS_THROUGH, Asked, read_chat, read_completion, read_envelope
from dynasor.serving.responses import Heading, model_list
from dynasor.serving.service import Service, logger
from dynasor.vocabulary import Question

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PROGRAMS_LISTED = 100


def create_app(service: Service, *, cors_origins: Sequence[str] = ()) -> web.Application:
    """The server of ``service`` as an aiohttp application; see docs/api.md for what it answers."""
    app = web.Application(middlewares=[edge], client_max_size=service.limits.max_body_bytes)
    app[SERVICE] = service
    cross_origin = CrossOrigin(cors_origins)
    app.on_response_prepare.append(cross_origin.on_prepare)
    routes = app.router
    routes.add_post("/v1/chat/completions", chat_completions)
    routes.add_post("/v1/completions", completions)
    routes.add_get("/v1/models", models)
    routes.add_get("/v1/programs", list_programs)
    routes.add_get("/v1/programs/{id}", show_program)
    routes.add_delete("/v1/programs/{id}", stop_program)
    for path in ("/health", "/health/ready"):
        routes.add_get(path, ready)
    routes.add_get("/health/live", live)
    routes.add_get("/metrics", metrics)
    routes.add_get("/openapi.json", openapi)
    routes.add_get("/v1/dashboard/events", watch, allow_head=False)
    add_pages(routes)
    if cors_origins:
        routes.add_route("OPTIONS", "/{path:.*}", cross_origin.preflight)
    return app


async def chat_completions(request: web.Request) -> web.StreamResponse:
    return await complete(request, "chat/completions", read_chat)


async def completions(request: web.Request) -> web.StreamResponse:
    return await complete(request, "completions", read_completion)


async def complete(request: web.Request, path: str, read: Callable[[Fields, Limits], Asked]) -> web.StreamResponse:
    service = request.app[SERVICE]
    with service.being_answered():
        return await answer(request, service, path, read)


async def answer(
    request: web.Request, service: Service, path: str, read: Callable[[Fields, Limits], Asked]
) -> web.StreamResponse:
    """Have a program answer, or the engine by itself."""
    tenant, limits, offer = request[TENANT], service.limits, service.offer
    content = await body_of(request)
    envelope = read_envelope(parse_object(content), limits)
    service.check_model(envelope.model)
    is_chat = path.startswith("chat")
    program_name = program_for(envelope, offer, is_chat=is_chat)
    number = uuid.uuid4().hex
    program_id = scoped_id(tenant, envelope.wants.program_id or f"prog-{number}")
    if program_name == PASS_THROUGH:
        options = relay_options(envelope, offer, tenant)
        return await relay(request, service, Letter.of(envelope, content, path), options, program_id)
    asked = read(envelope.fields, limits)
    if service.log_prompts:
        logger.info("program %s is asked: %s", program_id, asked.messages)
    plan = plan_for(envelope, program_name, offer, tenant)
    prefix = "chatcmpl" if is_chat else "cmpl"
    heading = Heading(
        id=f"{prefix}-{number}",
        created=int(time.time()),
        model=offer.model,
        program_id=envelope.wants.program_id or f"prog-{number}",
        program=program_name,
        is_chat=is_chat,
    )
    job = Job(question_of(asked, program_id), plan, heading, program_id, envelope.include_usage)
    if envelope.stream:
        return await answer_stream(request, service, job)
    return await answer_whole(service, job)


def question_of(asked: Asked, program_id: str) -> Question:
    """Samples are drawn by the question's name too: one that carries its own seed has the same name each time."""
    name = program_id if asked.sampling.seed is None else "seeded"
    return Question(name, asked.messages, sampling=asked.sampling)


async def models(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    return as_json(model_list(service.offer.model, service.created, service.max_model_len))


async def list_programs(request: web.Request) -> web.StreamResponse:
    service, now = request.app[SERVICE], time.time()
    records = service.log.of_tenant(request[TENANT])
    listed = [summary_of(record, now) for record, _ in zip(records, range(PROGRAMS_LISTED), strict=False)]
    return as_json({"object": "list", "data": listed})


async def show_program(request: web.Request) -> web.StreamResponse:
    record = request.app[SERVICE].find(request[TENANT], request.match_info["id"])
    return as_json(page_of(record, time.time()))


async def stop_program(request: web.Request) -> web.StreamResponse:
    """Stop a program; what it had by then is its answer, here and for who asked the question."""
    service = request.app[SERVICE]
    record = service.find(request[TENANT], request.match_info["id"])
    await service.stop(record.program_id)
    return as_json(page_of(record, time.time()))


async def live(request: web.Request) -> web.StreamResponse:
    return as_json({"status": "live"})


async def ready(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    if service.is_ready:
        return as_json({"status": "ready"})
    return as_json({"status": "not ready", "why": service.why_not_ready}, status=503)


async def metrics(request: web.Request) -> web.StreamResponse:
    return web.Response(body=request.app[SERVICE].metrics.exposition(), headers={"Content-Type": METRICS_TYPE})


async def openapi(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    return as_json(description(service.limits, service.offer.programs))


__all__ = ["REQUEST_ID_HEADER", "create_app"]
