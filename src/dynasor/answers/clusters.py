"""The free-text answers to one question, put together by meaning as they come in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import mul

from dynasor.answers.spelling import bounded
from dynasor.answers.statements import GUARDS, Guard, Statement

Vector = Sequence[float]
"""A sentence's embedding, of length 1 (384 numbers). Empty where there is none."""

THRESHOLD = 0.6
"""The cosine from which two answers mean the same. Where this comes from: docs/design/answers.md."""

Linkage = Callable[[Iterable[float]], float]
"""How near an answer is to a cluster, from how near it is to each of its members."""


@dataclass(slots=True)
class Cluster:
    key: str
    members: list[tuple[Statement, Vector]] = field(default_factory=list)


class Clusters:
    """Gives each answer the key of the nearest cluster of those before it, or opens a new one.

    An answer joins a cluster only if every member is near (complete linkage), so any two answers of one cluster
    are, whatever came between. Where it was put once it stays: keys that were given out are votes that were
    counted. The price is that the clusters depend on the order in which answers come in.
    """

    def __init__(self, threshold: float = THRESHOLD, linkage: Linkage = min, guards: Sequence[Guard] = GUARDS) -> None:
        self.threshold = threshold
        self._linkage = linkage
        self._guards = guards
        self._keys: dict[str, str] = {}
        self._clusters: list[Cluster] = []

    def __repr__(self) -> str:
        return f"<Clusters of {[len(cluster.members) for cluster in self._clusters]} texts>"

    def key_of(self, statement: Statement) -> str | None:
        """The key of an answer that was placed before."""
        return self._keys.get(statement.text)

    def place(self, statement: Statement, vector: Vector) -> str:
        """The key of an answer, which is placed now unless it was before. The first of several nearest wins."""
        if key := self.key_of(statement):
            return key
        near = [(self._nearness(cluster, statement, vector), cluster) for cluster in self._clusters]
        nearness, cluster = max(near, key=lambda pair: pair[0], default=(0.0, None))
        if cluster is None or nearness < self.threshold:
            cluster = Cluster(bounded("meaning", statement.text))
            self._clusters.append(cluster)
        cluster.members.append((statement, vector))
        self._keys[statement.text] = cluster.key
        return cluster.key

    def _nearness(self, cluster: Cluster, statement: Statement, vector: Vector) -> float:
        similarities = []
        for member, its_vector in cluster.members:
            told = next((word for guard in self._guards if (word := guard(member, statement)) is not None), None)
            if told is False:
                return 0.0
            similarities.append(1.0 if told else cosine(its_vector, vector))
        return self._linkage(similarities)


def cosine(first: Vector, second: Vector) -> float:
    """Of vectors of length 1; 0 if one is empty."""
    return float(sum(map(mul, first, second)))
