"""``--config FILE``: options of a verb from a TOML file, under the names of its flags."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from dynasor.errors import InputError
from dynasor.vocabulary import JSON


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the file's values for defaults: a flag, and an environment variable, goes before them.

    InputError, naming the key, for one that is no flag of this verb.
    """
    if path is not None:
        context.default_map = {**(context.default_map or {}), **defaults_of(context, load_toml(path), path)}
    return path


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", callback=read_config, is_eager=True, help="TOML file with any of these options: max-samples = 8."
    ),
]


def load_toml(path: Path) -> JSON:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from None


def defaults_of(context: typer.Context, config: JSON, path: Path) -> dict[str, Any]:
    """The values in ``config`` by the names that the verb's parameters have."""
    flags = {
        flag.removeprefix("--"): parameter
        for parameter in context.command.params
        for flag in parameter.opts
        if flag.startswith("--") and flag not in ("--config", "--help")
    }
    defaults = {}
    for key, value in config.items():
        parameter = flags.get(key.replace("_", "-"))
        if parameter is None or parameter.name is None:
            raise InputError(f"{path} has {key!r}, which is no option; known are {', '.join(sorted(flags))}")
        defaults[parameter.name] = checked(value, getattr(parameter, "multiple", False), key, path)
    return defaults


def checked(value: object, is_list: bool, key: str, path: Path) -> object:
    if isinstance(value, dict) or (isinstance(value, list) and not is_list):
        what = "a table" if isinstance(value, dict) else "a list"
        raise InputError(f"{path}: {key} is {what}; a single value was expected")
    return [value] if is_list and not isinstance(value, list) else value
