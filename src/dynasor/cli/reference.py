"""The reference of all verbs as a page of Markdown, from the verbs themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any, get_args

from typer.main import get_command

from dynasor.cli.exit_codes import ExitCode
from dynasor.cli.main import app

WORDS = {int: "INTEGER", float: "NUMBER", Path: "FILE"}
"""Kinds of values as the page has them; all others are texts."""

INTRODUCTION = """\
# Command line

`dynasor VERB --help` says the same in the terminal. Written by `python -m scripts.write_cli_reference`.

An option means the same in every verb that has it. At a terminal there are tables, colours and bars; where the output
goes to a file or a pipe there are plain lines. What people read on the way goes to standard error, results to standard
output; with `--json` standard output has JSON and nothing else. `dynasor --install-completion` sets up the completion
of verbs and options in your shell, `--show-completion` prints it.
"""


def reference() -> str:
    """The whole page."""
    verbs = sorted(verbs_of(get_command(app)))
    contents = [f"- [`dynasor {name}`](#dynasor-{name.replace(' ', '-')}): {first_line(verb)}" for name, verb in verbs]
    sections = chain.from_iterable(verb_lines(name, verb) for name, verb in verbs)
    return "\n".join([INTRODUCTION, *contents, "", *exit_code_lines(), "", *sections]).rstrip() + "\n"


def verbs_of(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All verbs by what a user writes, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from verbs_of(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def exit_code_lines() -> Iterator[str]:
    yield from ("## Exit codes", "", "| code | meaning |", "|---|---|")
    for code in ExitCode:
        yield f"| {code:d} | {cell(code.meaning)} |"


def verb_lines(name: str, verb: Any) -> Iterator[str]:
    arguments = [each for each in verb.params if each.param_type_name == "argument"]
    options = [each for each in verb.params if each.param_type_name == "option" and "--help" not in each.opts]
    usage = " ".join(each.metavar or each.name.upper() for each in arguments)
    yield from (f"## `dynasor {name}`", "", f"    dynasor {name} {usage} [OPTIONS]".replace("  [", " ["), "")
    yield from (inspect.cleandoc(verb.help or ""), "")
    if arguments:
        yield from table("argument", ((f"`{each.metavar or each.name.upper()}`", each) for each in arguments))
    yield from table("option", ((flags_of(each), each) for each in options))


def table(kind: str, rows: Iterable[tuple[str, Any]]) -> Iterator[str]:
    yield from (f"| {kind} | |", "|---|---|")
    for written, parameter in rows:
        yield f"| {written} | {cell(meaning_of(parameter))} |"
    yield ""


def flags_of(option: Any) -> str:
    flags = [*option.opts, *option.secondary_opts]
    value = "" if option.is_flag else f" {value_of(option)}"
    return (
        ", ".join(f"`{flag}`" for flag in sorted(flags, key=lambda flag: (flag.startswith("--no-"), len(flag)))) + value
    )


def value_of(option: Any) -> str:
    """What stands after the flag."""
    return f"`{option.metavar or kind_of(option)}`".replace("|", "\\|")


def kind_of(option: Any) -> str:
    """The kind of value that it takes: one word, or the choices."""
    annotation = option.type_descriptor.annotation
    kinds = [kind for kind in (annotation, *get_args(annotation)) if inspect.isclass(kind)]
    choices = next((kind for kind in kinds if issubclass(kind, Enum)), None)
    if choices is not None:
        return "|".join(each.value for each in choices)
    return next((word for kind, word in WORDS.items() if kind in kinds), "TEXT")


def meaning_of(parameter: Any) -> str:
    """Its help, its default, whether it is needed, and where else it is read from."""
    parts = [parameter.help or ""]
    if parameter.required and parameter.param_type_name == "option":
        parts.append("Required.")
    default = parameter.default
    if default is not None and not parameter.required and not callable(default) and default is not False:
        parts.append(f"[default: {getattr(default, 'value', default)}]")
    if parameter.envvar:
        parts.append(f"[environment: {parameter.envvar}]")
    return " ".join(part for part in parts if part)


def first_line(verb: Any) -> str:
    return inspect.cleandoc(verb.help or "").splitlines()[0]


def cell(text: str) -> str:
    """A text within a table of Markdown."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()
