"""The command line: one thin file per verb. What a verb ends with is in ``exit_codes``."""

from dynasor.cli.main import main

__all__ = ["main"]
