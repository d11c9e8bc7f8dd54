"""The command line: one thin file per verb.

Exit codes: 0 done, 1 done but some questions failed, 2 the input or an option cannot be used, 3 the engine
cannot be reached or does not answer, 130 interrupted.
"""

from dynasor.cli.main import main

__all__ = ["main"]
