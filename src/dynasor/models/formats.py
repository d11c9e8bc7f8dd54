"""The texts around a question that the embedded model was trained on; training and runtime share them.

The chat template shipped with the model writes the same prompt, so a chat request needs none of this.
Programs that continue a half-written chain (probes, judges, tree search) use the completions API and do.
"""

from __future__ import annotations

BEGIN = "<|begin|>"
END = "<|end|>"
PAD = "<|pad|>"
USER = "<|user|>"
ASSISTANT = "<|assistant|>"
JUDGE = "<|judge|>"
THINK = "<think>"
END_THINK = "</think>"

JUDGE_RIGHT = "+"
JUDGE_WRONG = "-"
"""After ``JUDGE`` the model says one of these two; the probability of ``+`` is the process reward."""

ANSWER_PREFIX = "The answer is \\boxed{"
PROBE = f"{END_THINK}\n\n{ANSWER_PREFIX}"
"""Appended to a half-written long chain, asks for the answer so far; the model closes the brace."""

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>"
    "{% else %}<|user|>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>"
    "{% if enable_thinking is defined and enable_thinking %}<think>\n{% endif %}"
    "{% endif %}"
)


def question_prompt(question: str, *, thinking: bool = False) -> str:
    """The whole prompt for ``question``: short mode, or the long mode that thinks first."""
    return f"{BEGIN}{USER}{question}{ASSISTANT}" + (f"{THINK}\n" if thinking else "")
