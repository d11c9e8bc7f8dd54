"""The API's own description (OpenAPI 3.1), made of the same names and bounds that the reading of requests uses."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from dynasor.serving.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY, Limits
from dynasor.serving.requests import (
    EFFORT_NAMES,
    ENABLE_THINKING,
    LARGEST_REPETITION_PENALTY,
    LARGEST_SEED,
    LARGEST_TOP_K,
    MAX_STOPS,
    PASS_THROUGH,
    ROLES,
)
from dynasor.vocabulary import JSON

NUMBER: JSON = {"type": "number"}
TEXT: JSON = {"type": "string"}
WHOLE: JSON = {"type": "integer"}


def description(limits: Limits, programs: Sequence[str]) -> JSON:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dynasor", "version": version("dynasor-llm")},
        "paths": {
            "/v1/chat/completions": {"post": completion("Answer a conversation", "ChatRequest")},
            "/v1/completions": {"post": completion("Continue a text, or answer a question", "CompletionRequest")},
            "/v1/models": {"get": operation("The model that is served", "Models")},
            "/v1/programs": {"get": operation("Your programs, at work and finished", "Programs")},
            "/v1/programs/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": TEXT}],
                "get": operation("One of your programs", "Program", 404),
                "delete": operation("Stop a program with the answer it has", "Program", 404),
            },
            "/v1/dashboard/events": {"get": events()},
            "/health": {"get": health("Whether requests are taken", 503)},
            "/health/ready": {"get": health("Whether requests are taken", 503)},
            "/health/live": {"get": health("Whether the server runs")},
            "/metrics": {"get": plain("Prometheus metrics")},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(limits, programs),
        },
    }


def reference(name: str) -> JSON:
    return {"$ref": f"#/components/schemas/{name}"}


def json_content(name: str) -> JSON:
    return {"application/json": {"schema": reference(name)}}


def errors(*statuses: int) -> JSON:
    return {str(status): {"description": "Refused", "content": json_content("Error")} for status in statuses}


def operation(summary: str, answer: str, *statuses: int) -> JSON:
    return {
        "summary": summary,
        "security": [{}, {"key": []}],
        "responses": {"200": {"description": summary, "content": json_content(answer)}, **errors(401, *statuses)},
    }


def completion(summary: str, asked: str) -> JSON:
    described = operation(summary, "Completion", 400, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504)
    described["requestBody"] = {"required": True, "content": json_content(asked)}
    event = {"type": "object", "required": ["data"], "properties": {"data": TEXT}}
    described["responses"]["200"]["content"]["text/event-stream"] = {"schema": event}
    return described


def events() -> JSON:
    """A stream without an end."""
    summary = "What the dashboard shows, and every change of it"
    described = operation(summary, "Program", 404, 429)
    described["parameters"] = [
        {"name": "program", "in": "query", "schema": TEXT, "description": "Watch the page of this program instead."}
    ]
    event = {"type": "object", "required": ["data"], "properties": {"data": TEXT}}
    described["responses"]["200"]["content"] = {"text/event-stream": {"schema": event}}
    return described


def health(summary: str, *statuses: int) -> JSON:
    content = {"application/json": {"schema": {"type": "object", "required": ["status"]}}}
    answers = {str(status): {"description": summary, "content": content} for status in (200, *statuses)}
    return {"summary": summary, "security": [{}], "responses": answers}


def plain(summary: str) -> JSON:
    content = {"text/plain": {"schema": TEXT}}
    return {"summary": summary, "security": [{}], "responses": {"200": {"description": summary, "content": content}}}


def schemas(limits: Limits, programs: Sequence[str]) -> JSON:
    common = common_members(limits, programs)
    messages = {"type": "array", "items": reference("Message"), "minItems": 1, "maxItems": limits.max_messages}
    return {
        "ChatRequest": {
            "type": "object",
            "required": ["messages"],
            "properties": {"messages": messages, "reasoning_effort": maybe(one_of(EFFORT_NAMES)), **common},
        },
        "CompletionRequest": {
            "type": "object",
            "required": ["prompt"],
            "properties": {"prompt": TEXT, **common},
        },
        "Message": {
            "type": "object",
            "required": ["role", "content"],
            "properties": {"role": one_of(ROLES), "content": TEXT},
        },
        "Wants": wants(limits, programs),
        "Completion": {"type": "object", "required": ["id", "object", "choices"]},
        "Models": {"type": "object", "required": ["object", "data"]},
        "Programs": {
            "type": "object",
            "required": ["object", "data"],
            "properties": {"data": {"type": "array", "items": reference("Program")}},
        },
        "Program": {
            "type": "object",
            "required": ["id", "program", "status", "certaindex", "stop_reason"],
            "properties": {"status": one_of(("waiting", "running", "finished", "failed"))},
        },
        "Error": {"type": "object", "required": ["error"], "properties": {"error": error_object()}},
    }


def error_object() -> JSON:
    return {
        "type": "object",
        "required": ["message", "type", "param", "code"],
        "properties": {"message": TEXT, "type": TEXT, "param": maybe(TEXT), "code": maybe(TEXT)},
    }


def common_members(limits: Limits, programs: Sequence[str]) -> JSON:
    max_tokens = maybe(WHOLE | {"minimum": 1, "maximum": limits.max_request_tokens})
    return {
        "model": maybe(TEXT),
        "stream": maybe({"type": "boolean"}),
        "stream_options": maybe({"type": "object", "properties": {"include_usage": maybe({"type": "boolean"})}}),
        "temperature": maybe(NUMBER | {"minimum": 0, "maximum": 2}),
        "top_p": maybe(NUMBER | {"exclusiveMinimum": 0, "maximum": 1}),
        "max_tokens": max_tokens,
        "max_completion_tokens": max_tokens,
        "stop": {"oneOf": [{"type": "null"}, TEXT, {"type": "array", "items": TEXT, "maxItems": MAX_STOPS}]},
        "seed": maybe(WHOLE | {"minimum": -LARGEST_SEED - 1, "maximum": LARGEST_SEED}),
        "top_k": maybe(WHOLE | {"minimum": -1, "maximum": LARGEST_TOP_K}),
        "min_p": maybe(NUMBER | {"minimum": 0, "maximum": 1}),
        "repetition_penalty": maybe(NUMBER | {"exclusiveMinimum": 0, "maximum": LARGEST_REPETITION_PENALTY}),
        "frequency_penalty": maybe(NUMBER | {"minimum": -2, "maximum": 2}),
        "presence_penalty": maybe(NUMBER | {"minimum": -2, "maximum": 2}),
        "chat_template_kwargs": maybe(
            {
                "type": "object",
                "properties": {ENABLE_THINKING: maybe({"type": "boolean"})},
            }
        ),
        "dynasor": maybe(reference("Wants")),
    }


def wants(limits: Limits, programs: Sequence[str]) -> JSON:
    setting = {"type": ["string", "number", "boolean"]}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "program": maybe(one_of((*programs, PASS_THROUGH))),
            "max_samples": maybe(WHOLE | {"minimum": 1, "maximum": limits.max_request_samples}),
            "allocator": maybe(TEXT),
            "max_change": maybe(NUMBER | {"minimum": 0, "exclusiveMaximum": 1}),
            "deadline_s": maybe(NUMBER | {"exclusiveMinimum": 0, "maximum": limits.max_deadline_s}),
            "priority": maybe(WHOLE | {"minimum": HIGHEST_PRIORITY, "maximum": LOWEST_PRIORITY}),
            "program_id": maybe(TEXT | {"pattern": "^[A-Za-z0-9._:-]{1,128}$"}),
            "effort": maybe(one_of(EFFORT_NAMES)),
            "set": maybe({"type": "object", "additionalProperties": setting}),
        },
    }


def maybe(schema: JSON) -> JSON:
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(values: Sequence[str]) -> JSON:
    return {"type": "string", "enum": list(values)}
