"""Writes ``docs/python.md`` from the public names of ``dynasor``: ``python -m scripts.python_reference``.

Signatures and docstrings are the code's; nothing is written by hand but the order. A test holds the page to the code.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import dynasor
from dynasor import vocabulary

PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"

INTRODUCTION = """\
# Python

The public names of `dynasor`, as the code describes them. Made by `make reference`; to change a
word here, change the docstring. [Quick start](quickstart.md#in-python) has an example,
[Write a program of your own](write-a-program.md) another; the [glossary](glossary.md) has the words.
"""

GROUPS = {
    "Run a program": ["open_engine", "Runtime", "Options", "AnswerReader", "AnswerStyle"],
    "What goes in and comes out": [
        *("Question", "Message", "Sampling", "Answer", "StopReason", "Certaindex", "VoteCounts", "Usage", "Branch"),
    ],
    "Programs": [
        *("SelfConsistency", "BestOfN", "WeightedMajority", "Rebase", "MCTS", "ChainOfThought"),
        *("SelfConsistencyOverChains", "Single"),
    ],
    "Write a program": ["Program", "Session", "Branches", "Votes", "Completion", "FinishReason", "RequestKind"],
    "Allocators": ["Allocator", "Agreement", "Threshold", "Fixed", "Allocation", "Spending"],
}
"""Names of ``dynasor``, and of ``dynasor.vocabulary`` where a public signature has them."""


def page() -> str:
    listed = [name for names in GROUPS.values() for name in names]
    if forgotten := set(dynasor.__all__) - set(listed):
        raise SystemExit(f"public names in no group of {__name__}: {', '.join(sorted(forgotten))}")
    parts = [INTRODUCTION]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        parts.extend(part for name in names for part in described(name))
    return "\n".join(parts).rstrip() + "\n"


def described(name: str) -> Iterator[str]:
    """The section of one public name."""
    thing = getattr(dynasor, name, None) or getattr(vocabulary, name)
    home = "dynasor" if hasattr(dynasor, name) else "dynasor.vocabulary"
    yield f"### {name}\n"
    yield f"{kind_of(thing)}, from `{home}`\n"
    if not is_value_list(thing) and not is_protocol(thing):
        yield block(signature_of(name, thing))
    yield prose(inspect.getdoc(thing) or "")
    if inspect.isclass(thing):
        yield from members(thing)


def kind_of(thing: object) -> str:
    if is_value_list(thing):
        return "Names"
    if is_protocol(thing):
        return "Protocol"
    return "Class" if inspect.isclass(thing) else "Function"


def is_value_list(thing: object) -> bool:
    return inspect.isclass(thing) and issubclass(thing, enum.Enum)


def is_protocol(thing: object) -> bool:
    return inspect.isclass(thing) and bool(getattr(thing, "_is_protocol", False))


def signature_of(name: str, thing: object) -> str:
    """As it is written in the code, a parameter a line if it is long."""
    signature = inspect.signature(thing)  # type: ignore[arg-type]
    shown = signature.replace(
        parameters=[
            each.replace(annotation=plain(each.annotation), default=shortened(each.default))
            for each in signature.parameters.values()
            if each.name != "self"
        ],
        return_annotation=inspect.Signature.empty if inspect.isclass(thing) else plain(signature.return_annotation),
    )
    is_async = inspect.iscoroutinefunction(thing)
    whole = f"{'async ' if is_async else ''}{name}{shown}"
    if len(whole) <= 100:
        return whole
    parameters = lines_of(shown)
    back = "" if shown.return_annotation is inspect.Signature.empty else f" -> {shown.return_annotation}"
    return f"{'async ' if is_async else ''}{name}(\n{parameters}){back}"


def lines_of(signature: inspect.Signature) -> str:
    lines, has_star = "", False
    for each in signature.parameters.values():
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not has_star:
            lines, has_star = f"{lines}    *,\n", True
        lines += f"    {each},\n"
    return lines


class Word:
    """Shows itself without quotes, as an annotation or a default in a signature."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def plain(annotation: object) -> object:
    return Word(annotation.strip("'\"")) if isinstance(annotation, str) else annotation


def shortened(default: object) -> object:
    if default is inspect.Parameter.empty or default is None:
        return default
    if isinstance(default, enum.Enum):
        return Word(f"{type(default).__name__}.{default.name}")
    if type(default).__module__.startswith("dynasor"):
        return Word(f"{type(default).__name__}()")
    return Word("...") if repr(default).startswith("<") else default


def members(thing: type) -> Iterator[str]:
    """Values of an enumeration, fields that have a word of their own, and what can be called."""
    documented = documented_attributes(thing)
    if is_value_list(thing):
        lines = [f"- `{each.value}`: {documented.get(each.name, '')}".rstrip(": ") for each in thing]  # type: ignore[attr-defined]
        yield "\n".join(lines) + "\n"
        return
    if documented:
        yield "\n".join(f"- `{name}`: {text}" for name, text in documented.items()) + "\n"
    for name, member in vars(thing).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if name.startswith("_") or not inspect.isfunction(function) or not inspect.getdoc(function):
            continue
        shown = f"{name}" if isinstance(member, property) else signature_of(name, function)
        yield block(shown)
        yield prose(inspect.getdoc(function) or "")


def documented_attributes(thing: type) -> dict[str, str]:
    """Attributes with a string under them in the class body, or with one in a protocol."""
    body = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0] if isinstance(statement.targets[0], ast.Name) else None
        if isinstance(target, ast.Name) and isinstance(following, ast.Expr):
            text = following.value.value if isinstance(following.value, ast.Constant) else None
            if isinstance(text, str):
                found[target.id] = " ".join(marked(inspect.cleandoc(text)).split())
    return found


def block(text: str) -> str:
    return f"```text\n{text}\n```\n"


def prose(text: str) -> str:
    """A docstring as Markdown: its sections (``Args:``) become lists."""
    lines, in_section = [], False
    for line in marked(text).splitlines():
        if re.fullmatch(r"[A-Z]\w+:", line):
            lines += [f"**{line[:-1]}**", ""]
            in_section = True
        elif in_section and (match := re.match(r" {4}([\w*]+): (.*)", line)):
            lines.append(f"- `{match[1]}`: {match[2]}")
        elif in_section and line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            in_section = in_section and not line.strip()
            lines.append(line)
    return "\n".join(lines).strip() + "\n"


def marked(text: str) -> str:
    return text.replace("``", "`")


def main() -> None:
    PAGE.write_text(page())
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
