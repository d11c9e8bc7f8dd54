"""Programs as JSON: for ``/v1/programs`` and ``/v1/programs/{id}``. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dynasor.serving.program_log import BRANCHES_KEPT, Measure, PastRequest, Record, public_id
from dynasor.serving.responses import saved_tokens, tokens_by_kind
from dynasor.vocabulary import JSON, Answer, Branch, TreeNode


def status_of(record: Record) -> str:
    """waiting, running, finished or failed. A request that was passed through has no answer of ours to show."""
    if record.ended_time is None:
        return "waiting" if record.started_time is None else "running"
    return "failed" if record.answer is None and record.relayed is None else "finished"


def summary_of(record: Record, now: float) -> JSON:
    """A program in a list."""
    latest = record.measures[-1] if record.measures else None
    answer = record.answer
    return {
        "id": record.public_id,
        "object": "dynasor.program",
        "program": record.program,
        "status": status_of(record),
        "created": int(record.arrival_time),
        "answer": answer.text if answer else latest.answer if latest else None,
        "certaindex": answer.certaindex.value if answer else latest.certaindex.value if latest else None,
        "stop_reason": answer.stop_reason.value if answer else None,
        "samples": answer.num_samples if answer else latest.finished if latest else 0,
        "queue_s": round((record.started_time or record.ended_time or now) - record.arrival_time, 6),
        "run_s": run_s_of(record, now),
    }


def run_s_of(record: Record, now: float) -> float:
    if record.started_time is None:
        return 0.0
    return round((record.ended_time or now) - record.started_time, 6)


def page_of(record: Record, now: float) -> JSON:
    """All that is known of a program."""
    return {
        **summary_of(record, now),
        "question": record.question,
        "max_samples": record.cap,
        "certaindex_over_time": [measure_page(each) for each in record.measures],
        "requests_running": [
            {"id": name, "kind": each.kind.value, "replica": each.replica, "run_s": round(now - each.started_time, 6)}
            for name, each in record.requests.items()
        ],
        "num_requests": record.num_requests,
        "requests": [request_page(each, record) for each in record.past_requests],
        "branches": branches_page(record.answer.branches if record.answer else record.branches),
        "tree": [node_page(each) for each in record.nodes.values()],
        **(answer_page(record.answer, record) if record.answer else tokens_page(record)),
    }


def request_page(request: PastRequest, record: Record) -> JSON:
    """Times in seconds from the program's arrival."""
    return {
        "id": public_id(request.request_id),
        "kind": request.kind.value,
        "replica": request.replica,
        "began_s": round(request.started_time - record.arrival_time, 6),
        "ended_s": round(request.ended_time - record.arrival_time, 6),
        "tokens": request.num_tokens,
        "outcome": request.outcome,
    }


def branches_page(branches: Sequence[Branch]) -> list[JSON]:
    return [
        {"answer": each.answer, "tokens": each.num_tokens, "reward": each.reward} for each in branches[:BRANCHES_KEPT]
    ]


def node_page(node: TreeNode) -> JSON:
    return {
        "node": node.node,
        "parent": node.parent,
        "text": node.text,
        "tokens": node.num_tokens,
        "reward": node.reward,
        "visits": node.visits,
        "is_leaf": node.is_leaf,
        "answer": node.answer,
    }


def measure_page(measure: Measure) -> JSON:
    return {
        "after_s": round(measure.after_s, 6),
        "certaindex": measure.certaindex.value,
        "signals": dict(measure.certaindex.signals),
        "answer": measure.answer,
        "samples": measure.finished,
        "tokens": measure.num_tokens,
    }


def answer_page(answer: Answer, record: Record) -> JSON:
    return {
        "solution": answer.solution,
        "signals": dict(answer.certaindex.signals),
        "tokens": tokens_by_kind(answer.usage),
        "tokens_saved_estimate": saved_tokens(answer, record.cap),
    }


def tokens_page(record: Record) -> JSON:
    """Before there is an answer nobody knows which tokens will have been of use."""
    relayed = record.relayed
    produced = record.num_tokens + (relayed.num_tokens if relayed else 0)
    return {"tokens": {"produced": produced, "prompt": relayed.prompt_tokens if relayed else None}}
