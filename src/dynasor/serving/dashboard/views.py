"""What the pages may know now. All of it is a key's own, but for the load of the replicas, which is everybody's."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from dynasor.scheduling import WaitingProgram
from dynasor.serving.dashboard.tallies import Tallies, saved_by
from dynasor.serving.metrics import SchedulerState
from dynasor.serving.program_log import ProgramLog, Record, public_id
from dynasor.serving.program_pages import page_of, status_of, summary_of
from dynasor.vocabulary import JSON

AT_WORK_SHOWN = 50
FINISHED_SHOWN = 30
QUEUE_SHOWN = 50
FRESH_S = 0.9
"""For how long a view is shown again instead of being made anew."""
VOLATILE = frozenset({"queue_s", "run_s", "requests_running", "object", "num_requests"})
"""Members that change while nothing happens, or that the page does not need."""


class Views:
    """Makes the states that pages show, each at most about once a second, however many look."""

    def __init__(
        self,
        log: ProgramLog,
        tallies: Tallies,
        scheduler: Callable[[], SchedulerState],
        waiting: Callable[[], list[WaitingProgram]],
        now: Callable[[], float],
    ) -> None:
        self._log = log
        self._tallies = tallies
        self._scheduler = scheduler
        self._waiting = waiting
        self._now = now
        self._live: dict[str, JSON] = {}
        self._live_made = float("-inf")

    def live(self, tenant: str) -> JSON:
        """The state of the live page."""
        now = self._now()
        if now - self._live_made > FRESH_S:
            self._live.clear()
            self._live_made = now
        if tenant not in self._live:
            self._live[tenant] = self._make_live(tenant, now)
        return self._live[tenant]

    def program(self, record: Record) -> JSON:
        """The state of a program's page. Times of requests are in seconds from its arrival, others Unix seconds."""
        page = {name: value for name, value in page_of(record, self._now()).items() if name not in VOLATILE}
        page["requests"] = {each["id"] + f"@{each['began_s']}": each for each in page["requests"]}
        for name, each in record.requests.items():
            began_s = round(each.started_time - record.arrival_time, 6)
            page["requests"][f"{public_id(name)}@{began_s}"] = {
                "id": public_id(name),
                "kind": each.kind.value,
                "replica": each.replica,
                "began_s": began_s,
                "ended_s": None,
                "tokens": None,
                "outcome": "running",
            }
        page["tree"] = {str(each["node"]): each for each in page["tree"]}
        page |= {
            "arrival_time": record.arrival_time,
            "started_time": record.started_time,
            "ended_time": record.ended_time,
            "is_relayed": record.relayed is not None,
            "saved": saved_by(record),
        }
        return page

    def _make_live(self, tenant: str, now: float) -> JSON:
        at_work = [record for record in self._log.running.values() if record.tenant == tenant]
        latest = (record for record in reversed(self._log.finished.values()) if record.tenant == tenant)
        finished = list(itertools.islice(latest, FINISHED_SHOWN))
        tally = self._tallies.of(tenant)
        waiting = sum(record.started_time is None for record in at_work)
        state = self._scheduler()
        shown = at_work[:AT_WORK_SHOWN]
        return {
            "now": {"running": len(at_work) - waiting, "waiting": waiting, **tally.to_json(now)},
            "buckets": {str(bucket.began): bucket.to_json() for bucket in tally.buckets},
            "replicas": {
                each.name: {"state": each.state.value, "running": each.running, "capacity": each.capacity}
                for each in state.replicas
            },
            "queue": self._queue(tenant),
            "programs": {row["id"]: row for row in map(self._row, [*shown, *finished])},
        }

    def _queue(self, tenant: str) -> list[JSON]:
        """The key's programs in the scheduler's order; ``place`` counts those of others, too."""
        places: list[JSON] = []
        for place, each in enumerate(self._waiting(), 1):
            if each.tenant == tenant and len(places) < QUEUE_SHOWN:
                places.append(
                    {
                        "place": place,
                        "id": public_id(each.program_id),
                        "requests": each.num_waiting,
                        "priority": each.priority,
                        "reason": each.reason,
                    }
                )
        return places

    def _row(self, record: Record) -> JSON:
        summary = summary_of(record, self._now())
        answer = record.answer
        return {
            **{name: summary[name] for name in ("id", "program", "answer", "certaindex", "stop_reason", "samples")},
            "status": status_of(record),
            "arrival_time": round(record.arrival_time, 3),
            "started_time": record.started_time,
            "ended_time": record.ended_time,
            "tokens": answer.usage.produced if answer else record.num_tokens,
            "saved": saved_by(record),
        }
