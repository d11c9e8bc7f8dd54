"""Programs, allocators, scheduler and runtime as they are, on a clock that jumps, with a simulated engine."""

from dynasor.simulation.clock import VirtualLoop, run_virtually
from dynasor.simulation.cost import CostModel, EngineProfile
from dynasor.simulation.engine import Author, Piece, Reply, SimulatedEngine
from dynasor.simulation.memory import Segment

__all__ = [
    "Author",
    "CostModel",
    "EngineProfile",
    "Piece",
    "Reply",
    "Segment",
    "SimulatedEngine",
    "VirtualLoop",
    "run_virtually",
]
