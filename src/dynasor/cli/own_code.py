"""Whose code an error came from: a program, an allocator or a reward of the user's own, or ours."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import dynasor

OURS = Path(dynasor.__file__).parent
INSTALLED = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def frames_of_own_code(error: BaseException) -> list[traceback.FrameSummary]:
    """Where ``error`` was raised or passed through, below our first frame, in code that is neither ours nor installed.
    None of it: the error is a defect of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    entered = next((number for number, frame in enumerate(frames) if is_ours(frame)), len(frames))
    return [frame for frame in frames[entered:] if not (is_ours(frame) or is_installed(frame))]


def is_ours(frame: traceback.FrameSummary) -> bool:
    return OURS in Path(frame.filename).parents


def is_installed(frame: traceback.FrameSummary) -> bool:
    path = Path(frame.filename).resolve()
    return not path.is_file() or any(folder in path.parents for folder in INSTALLED)
