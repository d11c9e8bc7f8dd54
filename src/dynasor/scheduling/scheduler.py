"""The inter-program scheduler: which waiting request starts next, and on which replica. Pure: no waiting, no clock.

A request is in one of two containers, ``waiting`` or ``running``; that is its whole state. The caller reports what
happened (enter, submit, remove, pause, resume, ...) and then asks ``schedule`` what to start.

Strict priority classes come first; in a class, tenants share where fairness is on; of a tenant's programs the policy
picks one; of its requests the earliest goes. Every step of this is the top of a heap, so a request costs O(log n) to
start, whatever waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dynasor.errors import InputError
from dynasor.scheduling.fairness import PriorityClass
from dynasor.scheduling.held_places import HeldPlaces
from dynasor.scheduling.line import Line
from dynasor.scheduling.policies import Policy
from dynasor.scheduling.ranking import Ranking
from dynasor.scheduling.replicas import NEW_SHARE, Replica, check_capacity, choose, least_loaded
from dynasor.scheduling.ticket import ProgramEntry, Start, Ticket

MAX_PASSED_OVER = 16
"""Requests that a decision leaves waiting for a replica of their own, to look what else can use a free place."""
FIRST_REQUEST_TOKENS = 256.0
"""What a request takes until one has ended."""
FIRST_TOKENS_PER_S = 50.0
"""What a request produces a second until one has ended."""


@dataclass(slots=True)
class Run:
    """A request that runs."""

    ticket: Ticket
    line: Line
    replica: Replica
    began: float
    charged: float
    """Tokens that its tenant was charged at its start."""
    num_tokens: int | None = None
    """Tokens it produced, as far as it was told."""


@dataclass(slots=True)
class Speed:
    """Tokens that one request produces a second: the running mean, and what of it was ``published`` last. That only
    follows by steps of a tenth, so that the ranks of deadlines are not all new after every request."""

    mean: float = FIRST_TOKENS_PER_S
    published: float = FIRST_TOKENS_PER_S

    def learn(self, tokens_per_s: float) -> None:
        self.mean += NEW_SHARE * (tokens_per_s - self.mean)
        if not 0.9 < self.mean / self.published < 1.1:
            self.published = self.mean


@dataclass(frozen=True, slots=True)
class WaitingProgram:
    """A program in the scheduler's order: how many of its requests wait, and why it is where it is."""

    program_id: str
    priority: int
    tenant: str
    num_waiting: int
    reason: str


class Scheduler:
    """Keeps each replica's ``capacity`` of requests running, picked from the waiting ones by ``policy``.

    A paused program starts nothing that its allocator granted: it has a completion to look at that may
    end it, so a grant that waits is never spent on a question that has just been settled. Its other
    requests (to look at that completion, say) and other programs go ahead meanwhile.

    The place that such a completion had is kept for its program for a moment, under policies that keep programs
    together: else it would go to another one every time, before the program can say what it needs next.

    A request beside a running one, such as a probe, waits for nobody and does not count: it is short, and while it
    waited, the long one that it may end would go on. So more than its capacity run on a replica where programs do that.

    Args:
        weights: of tenants, who then share by them; None: tenants play no part.
    """

    def __init__(self, policy: Policy, *, weights: Mapping[str, float] | None = None) -> None:
        for tenant, weight in (weights or {}).items():
            if not weight > 0:
                raise InputError(f"the weight of tenant {tenant!r} is {weight}; a number above 0 was expected")
        self.policy = policy
        self.weights = weights
        self.replicas: dict[str, Replica] = {}
        self.waiting: dict[str, Ticket] = {}
        self.running: dict[str, Run] = {}
        self.served = 0.0
        """Tokens produced by requests that are over."""
        self._beside: dict[str, Ticket] = {}
        self._held = HeldPlaces()
        self.programs: dict[str, Line] = {}
        """By id, those that entered and did not leave."""
        self._classes: dict[int, PriorityClass] = {}
        self._ready: Ranking[int] = Ranking()
        self._request_tokens = FIRST_REQUEST_TOKENS
        self._speed = Speed()
        self._ranked_speed = self._speed.published
        self._ends_since_ranked = 0
        self._program_tokens = 0.0
        self._num_programs_ended = 0

    def add_replica(self, name: str, capacity: int) -> None:
        """It may start so many requests at once. One that was removed before has nothing cached, but what still runs
        there takes its place."""
        if name in self.replicas:
            raise InputError(f"there is a replica {name!r} already; another name was expected")
        replica = self.replicas[name] = Replica(name, capacity)
        for run in self.running.values():
            if run.replica.name == name:
                run.replica = replica
                replica.num_running += not run.ticket.is_beside

    def remove_replica(self, name: str) -> None:
        """Start nothing there any more. What runs there runs until it is removed."""
        self._replica(name)
        del self.replicas[name]

    def set_capacity(self, name: str, capacity: int) -> None:
        """Fewer than run there is allowed: nothing starts until there is room."""
        check_capacity(capacity)
        self._replica(name).capacity = capacity

    def _replica(self, name: str) -> Replica:
        if name not in self.replicas:
            raise InputError(f"there is no replica {name!r}; there are {', '.join(self.replicas) or 'none'}")
        return self.replicas[name]

    def enter(self, entry: ProgramEntry) -> None:
        """A program comes; its requests may follow."""
        if entry.program_id in self.programs:
            raise InputError(f"the program {entry.program_id!r} is here already; another id was expected")
        expected = self._program_tokens if entry.expected_tokens is None else entry.expected_tokens
        self.programs[entry.program_id] = Line(entry, self.waiting, self.served, expected)
        if entry.priority not in self._classes:
            self._classes[entry.priority] = PriorityClass(self.weights)
        self._classes[entry.priority].num_programs += 1

    def leave(self, program_id: str) -> None:
        """A program is over: nothing of it waits any longer. What it has running is to be removed."""
        line = self.programs.get(program_id)
        if line is None:
            return
        self._held.let_go(line)
        for ticket in line.waiting():
            self._withdraw(ticket)
        for ticket in [each for each in self._beside.values() if each.program_id == program_id]:
            self._withdraw(ticket)
        self._rank(line)
        del self.programs[program_id]
        self._num_programs_ended += 1
        self._program_tokens += (line.num_tokens - self._program_tokens) / self._num_programs_ended
        in_class = self._classes[line.entry.priority]
        in_class.num_programs -= 1
        if not in_class.num_programs:
            del self._classes[line.entry.priority]

    def expect(self, program_id: str, remaining: float) -> None:
        """The program is expected to take so many tokens from here on."""
        line = self.programs.get(program_id)
        if line is not None and line.remaining != remaining:
            line.remaining = remaining
            self._rank(line)

    def submit(self, ticket: Ticket) -> None:
        if ticket.request_id in self.waiting or ticket.request_id in self.running:
            raise InputError(f"the request {ticket.request_id!r} is here already; another id was expected")
        line = self.programs.get(ticket.program_id)
        if line is None:
            raise InputError(f"the request {ticket.request_id!r} is of {ticket.program_id!r}, which did not enter")
        self.waiting[ticket.request_id] = ticket
        if ticket.is_beside:
            self._beside[ticket.request_id] = ticket
        else:
            line.add(ticket)
            self._rank(line)
            if line.rank is not None:
                self._held.let_go(line)

    def produced(self, request_id: str, num_tokens: int) -> None:
        """A running request has produced so many tokens since it started."""
        run = self.running.get(request_id)
        if run is not None:
            run.replica.num_tokens += num_tokens - (run.num_tokens or 0)
            run.num_tokens = num_tokens

    def remove(self, request_id: str, now: float) -> None:
        """The request finished or was cancelled, wherever it was."""
        ticket = self.waiting.get(request_id)
        if ticket is not None:
            self._withdraw(ticket)
            self._rank(self.programs[ticket.program_id])
        run = self.running.pop(request_id, None)
        if run is not None:
            self._account(run, now)
            if self._keeps_place(run):
                self._held.hold(run.line, run.replica, now)

    def _keeps_place(self, run: Run) -> bool:
        """Whether the place that a request had waits for its program, which is still here and looks at what came."""
        is_looking = run.line.is_paused and self.programs.get(run.ticket.program_id) is run.line
        return is_looking and self.policy.keeps_together and not run.ticket.is_beside

    @property
    def next_release(self) -> float | None:
        """When the next place that is kept for somebody is given away, unless it is taken before; None: none is."""
        return self._held.next_release

    def pause(self, program_id: str) -> None:
        self._set_paused(program_id, True)

    def resume(self, program_id: str) -> None:
        self._set_paused(program_id, False)

    def schedule(self, now: float) -> list[Start]:
        """What to start now, best first; it is running from here on."""
        self._held.release_due(now)
        starts = self._start_beside(now)
        passed_over: list[tuple[Line, Ticket]] = []
        ahead: dict[Replica, int] = {}
        room = sum(replica.room for replica in self.replicas.values())
        while room and len(passed_over) < MAX_PASSED_OVER:
            line = self._first(now)
            if line is None:
                break
            ticket = line.next()
            assert ticket is not None, "a program that is ranked has a request that may start"
            cached_on = line.cached_on if self.policy.minds_caches else self.replicas.values()
            replica = choose(self.replicas, ticket, cached_on, ahead)
            line.take(ticket)
            if replica.room:
                room -= 1
                self._classes[line.entry.priority].count_start(line, self._request_tokens, now)
                starts.append(self._start(line, ticket, replica, self._request_tokens, now))
            else:
                ahead[replica] = ahead.get(replica, 0) + 1
                passed_over.append((line, ticket))
            self._rank(line)
        for line, ticket in passed_over:
            line.add(ticket)
        for line in dict.fromkeys(line for line, _ in passed_over):
            self._rank(line)
        return starts

    def waiting_order(self, now: float) -> list[WaitingProgram]:
        """Programs that can start something, in the order in which they would if nothing changed, and why; then those
        that wait for their own next look. Computed when asked for: it sorts."""
        ranked = [
            self._waiting_program(self.programs[program_id], is_urgent)
            for priority in self._ready.in_order()
            for program_id, is_urgent in self._classes[priority].in_order(now)
        ]
        listed = {each.program_id for each in ranked}
        held = [line for line in self.programs.values() if line.num_waiting and line.entry.program_id not in listed]
        return ranked + [self._waiting_program(line, False) for line in held]

    def _waiting_program(self, line: Line, is_urgent: bool) -> WaitingProgram:
        entry = line.entry
        reason = "it looks at what came back before it takes more"
        if line.next() is not None:
            reason = "; ".join(self._reasons(line, is_urgent))
        return WaitingProgram(entry.program_id, entry.priority, entry.tenant, line.num_waiting, reason)

    def _reasons(self, line: Line, is_urgent: bool) -> Iterator[str]:
        """What decides on a program's place, what comes first first."""
        if line.entry.priority:
            yield f"priority {line.entry.priority}"
        served = self._classes[line.entry.priority].served_to(line)
        if served is not None:
            yield f"its key had {served:.0f} tokens for its weight"
        if is_urgent:
            yield "close to its deadline"
        yield self.policy.reason(line)

    def _first(self, now: float) -> Line | None:
        """The program whose turn it is."""
        priority = self._ready.first()
        if priority is None:
            return None
        program_id = self._classes[priority].first(now)
        assert program_id is not None, "a class that is ranked has a program that may start something"
        return self.programs[program_id]

    def _start_beside(self, now: float) -> list[Start]:
        if not self._beside or not self.replicas:
            return []
        starts = []
        for ticket in list(self._beside.values()):
            line = self.programs[ticket.program_id]
            starts.append(self._start(line, ticket, self._beside_what(ticket, line), 0.0, now))
            del self._beside[ticket.request_id]
        return starts

    def _beside_what(self, ticket: Ticket, line: Line) -> Replica:
        """The replica of the request that ``ticket`` accompanies, if it may be used."""
        run = self.running.get(ticket.accompanies) if ticket.accompanies is not None else None
        replica = run.replica if run is not None else line.home
        if replica is None or self.replicas.get(replica.name) is not replica or replica.name in ticket.avoid:
            return least_loaded(self.replicas, ticket.avoid)
        return replica

    def _start(self, line: Line, ticket: Ticket, replica: Replica, charged: float, now: float) -> Start:
        del self.waiting[ticket.request_id]
        self.running[ticket.request_id] = Run(ticket, line, replica, now, charged)
        line.num_running += 1
        if not ticket.is_beside:
            line.home = replica
            line.cached_on.add(replica)
            replica.num_running += 1
        return Start(ticket, replica.name)

    def _withdraw(self, ticket: Ticket) -> None:
        """A waiting request will not start."""
        del self.waiting[ticket.request_id]
        if ticket.is_beside:
            del self._beside[ticket.request_id]
        else:
            self.programs[ticket.program_id].num_waiting -= 1

    def _account(self, run: Run, now: float) -> None:
        """A request is over: what it took, by the count it was told or as expected."""
        tokens = run.charged if run.num_tokens is None else run.num_tokens
        line, run_s = run.line, now - run.began
        line.num_running -= 1
        line.num_tokens += tokens
        self.served += tokens
        in_class = self._classes.get(line.entry.priority)
        if in_class is not None and tokens != run.charged:
            in_class.correct(line, tokens - run.charged)
        if run.ticket.is_beside:
            return
        run.replica.num_running -= 1
        run.replica.learn(run_s)
        self._request_tokens += NEW_SHARE * (tokens - self._request_tokens)
        if run_s > 0 and run.num_tokens:
            self._speed.learn(tokens / run_s)
        if self.policy.minds_deadlines:
            self._rank_deadlines()

    def _rank_deadlines(self) -> None:
        """Another speed gives every program another latest start. They are all ranked anew when as many requests have
        ended since the last time as there are programs, so that it costs a constant number of steps a request."""
        self._ends_since_ranked += 1
        if self._speed.published == self._ranked_speed or self._ends_since_ranked < len(self.programs):
            return
        self._ranked_speed, self._ends_since_ranked = self._speed.published, 0
        for line in self.programs.values():
            if line.latest_start is not None:
                self._rank(line)

    def _set_paused(self, program_id: str, is_paused: bool) -> None:
        line = self.programs.get(program_id)
        if line is not None and line.is_paused != is_paused:
            line.is_paused = is_paused
            self._rank(line)
            if line.rank is not None:
                self._held.let_go(line)

    def let_go(self, program_id: str) -> bool:
        """The program has looked, and takes no more for now: its places are free. Whether it had any."""
        line = self.programs.get(program_id)
        if line is None or line.is_paused or not line.holds:
            return False
        self._held.let_go(line)
        return True

    def _rank(self, line: Line) -> None:
        """Put the program where it belongs now: in its class if it can start something, else nowhere."""
        is_ready = line.next() is not None
        rank = self.policy.rank(line) if is_ready else None
        latest = self.policy.latest_start(line, self._speed.published) if is_ready else None
        if rank == line.rank and latest == line.latest_start:
            return
        line.rank, line.latest_start = rank, latest
        priority = line.entry.priority
        in_class = self._classes[priority]
        if is_ready:
            in_class.put(line)
            self._ready.put(priority, priority)
        else:
            in_class.discard(line)
            if in_class.is_empty:
                self._ready.discard(priority)

    def __repr__(self) -> str:
        places = sum(replica.capacity for replica in self.replicas.values())
        taken = sum(replica.num_running for replica in self.replicas.values())
        return f"<Scheduler {taken}/{places} running, {len(self.waiting)} waiting>"
