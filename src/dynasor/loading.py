"""Parts of the user's own, named as ``module:attribute``."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from dynasor.errors import InputError


def load_attribute(name: str, what: str) -> Any:
    """What stands at ``name``; modules are also looked for in the working directory.

    Raises InputError, naming ``what`` was wanted, if it cannot be loaded.
    """
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # so that the installed command finds what `python -m` would
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a user's module may raise anything while it is imported
        hint = f"; it is named as {module.removesuffix('.py')}:{attribute}" if module.endswith(".py") else ""
        raise InputError(f"the {what} {name!r} cannot be loaded: {error}{hint}") from error
