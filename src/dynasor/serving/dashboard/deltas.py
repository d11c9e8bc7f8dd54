"""What of a page's state is new. Pure; ``static/state.js`` does the opposite.

A state is an object of members. In a delta, ``set`` has members that are new as a whole, ``add`` what was appended to
lists, ``put`` and ``drop`` the entries of members that are objects themselves.
"""

from __future__ import annotations

from typing import Any

from dynasor.vocabulary import JSON


def delta(old: JSON, new: JSON) -> JSON:
    """What makes ``new`` of ``old``; empty if nothing does. A member that is gone is null from then on, as when a
    program takes the name of one that had more to show."""
    gone = {name: None for name, value in old.items() if name not in new and value is not None}
    parts: dict[str, JSON] = {"set": gone, "add": {}, "put": {}, "drop": {}}
    for name, value in new.items():
        if name not in old:
            parts["set"][name] = value
        elif value != old[name]:
            _compare(parts, name, old[name], value)
    return {part: members for part, members in parts.items() if members}


def _compare(parts: dict[str, JSON], name: str, old: Any, new: Any) -> None:
    if isinstance(old, list) and isinstance(new, list) and old and new[: len(old)] == old:
        parts["add"][name] = new[len(old) :]
    elif isinstance(old, dict) and isinstance(new, dict):
        put = {key: value for key, value in new.items() if key not in old or old[key] != value}
        drop = [key for key in old if key not in new]
        if put:
            parts["put"][name] = put
        if drop:
            parts["drop"][name] = drop
    else:
        parts["set"][name] = new
