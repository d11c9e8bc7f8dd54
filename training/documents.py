"""From problems to batches: a document is a *trunk* (prompt and chain) with *branches* hanging off it.

A branch continues the trunk from some token on, as if the rest had not been written: after every step of
a short chain a judge token with its verdict, at random places of a long chain a probe with the answer.
All branches of a document are trained in one pass: each sees the trunk up to its own place, and itself,
and carries the positions it would have there. So training sees exactly what an engine computes later.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from dynasor.models import formats
from training.chains import Chain, long_chain, short_chain
from training.curriculum import LONG_SIZES, SIZES, long_share, weights
from training.problems import Problem, draw_problem

IGNORED = -100
MAX_TOKENS = 640
PROBES_PER_CHAIN = 3
ROUND_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Document:
    """Token ids with, for each, its position, the last trunk position it sees, its branch (0: trunk) and
    the id to predict after it (``IGNORED``: none)."""

    ids: list[int]
    positions: list[int]
    limits: list[int]
    branches: list[int]
    targets: list[int]


class DocumentWriter:
    """Turns chains into documents with one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.judge = tokenizer.token_to_id(formats.JUDGE)
        self.right, self.wrong = (self._ids(word)[0] for word in (formats.JUDGE_RIGHT, formats.JUDGE_WRONG))
        self.probe = self._ids(formats.PROBE)

    def short(self, problem: Problem, chain: Chain) -> Document:
        """The chain in short mode, judged after every step."""
        prompt = formats.question_prompt(problem.question)
        document, ends = self._trunk(prompt, chain, formats.END)
        for branch, (offset, right) in enumerate(chain.steps, 1):
            cut = ends.get(len(prompt) + offset)
            if cut is not None:  # a strange chain may have a token across the end of a step
                _add_branch(document, branch, cut, [self.judge], [self.right if right else self.wrong])
        return document

    def long(self, problem: Problem, chain: Chain, rng: random.Random) -> Document:
        """The chain in long mode with its closing, probed at random tokens."""
        prompt = formats.question_prompt(problem.question, thinking=True)
        closing = f"{formats.PROBE}{problem.answer}}}.{formats.END}"
        document, ends = self._trunk(prompt, chain, closing)
        answer = self._ids(f"{problem.answer}}}.")
        ids = self.probe + answer[:-1]
        targets = [IGNORED] * (len(self.probe) - 1) + answer
        first, last = ends[len(prompt)], ends[len(prompt) + chain.length]
        for branch in range(1, PROBES_PER_CHAIN + 1):
            _add_branch(document, branch, rng.randint(first, last), ids, targets)
        return document

    def _trunk(self, prompt: str, chain: Chain, closing: str) -> tuple[Document, dict[int, int]]:
        """The trunk, and for each text offset where a token ends the number of tokens up to there."""
        encoding = self.tokenizer.encode(prompt + chain.text + closing, add_special_tokens=False)
        slips = [(start + len(prompt), end + len(prompt)) for start, end in chain.slips]
        ids, targets = list(encoding.ids), [*encoding.ids[1:], IGNORED]
        ends: dict[int, int] = {}
        for i, (start, end) in enumerate(encoding.offsets):
            ends[end] = i + 1
            slipped = any(left < end and start < right for left, right in slips)
            if i > 0 and (start < len(prompt) or slipped):
                targets[i - 1] = IGNORED
        positions = list(range(len(ids)))
        return Document(ids, positions, list(positions), [0] * len(ids), targets), ends

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _add_branch(document: Document, branch: int, cut: int, ids: list[int], targets: list[int]) -> None:
    document.ids.extend(ids)
    document.positions.extend(range(cut, cut + len(ids)))
    document.limits.extend([cut - 1] * len(ids))
    document.branches.extend([branch] * len(ids))
    document.targets.extend(targets)


def draw_document(writer: DocumentWriter, progress: float, rng: random.Random) -> Document:
    """A random document as the curriculum wants it at ``progress`` (0 to 1) of the training."""
    size = rng.choices(SIZES, weights(progress))[0]
    problem = draw_problem(size, "train", rng)
    is_long = size in LONG_SIZES and rng.random() < long_share(progress)
    chain = long_chain(problem, rng) if is_long else None
    if chain is not None:
        document = writer.long(problem, chain, rng)
        if len(document.ids) <= MAX_TOKENS:
            return document
    return writer.short(problem, short_chain(problem, rng))


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors [batch, length], and the attention mask [batch, 1, length, length]."""

    ids: Tensor
    positions: Tensor
    targets: Tensor
    visible: Tensor


def to_batch(documents: list[Document], pad: int) -> Batch:
    length = -(-max(len(d.ids) for d in documents) // ROUND_LENGTH) * ROUND_LENGTH

    def stack(rows: list[list[int]], fill: int) -> Tensor:
        return torch.tensor([row + [fill] * (length - len(row)) for row in rows])

    positions = stack([d.positions for d in documents], 0)
    limits = stack([d.limits for d in documents], -1)
    branches = stack([d.branches for d in documents], -1)
    in_trunk = (branches == 0)[:, None, :] & (positions[:, None, :] <= limits[:, :, None])
    same_branch = (branches[:, None, :] == branches[:, :, None]) & torch.ones(length, length, dtype=torch.bool).tril()
    return Batch(
        ids=stack([d.ids for d in documents], pad),
        positions=positions,
        targets=stack([d.targets for d in documents], IGNORED),
        visible=(in_trunk | same_branch)[:, None],
    )


def batches(documents: list[Document], tokens: int, pad: int, rng: random.Random) -> Iterator[Batch]:
    """Batches of about ``tokens`` tokens, documents of like length together, in random order."""
    ordered = sorted(documents, key=lambda d: len(d.ids) + rng.random())
    groups: list[list[Document]] = [[]]
    for document in ordered:
        padded = -(-len(document.ids) // ROUND_LENGTH) * ROUND_LENGTH
        if groups[-1] and (len(groups[-1]) + 1) * padded > tokens:
            groups.append([])
        groups[-1].append(document)
    rng.shuffle(groups)
    for group in groups:
        yield to_batch(group, pad)
