"""Programs, allocators, scheduler and runtime as they are, on a clock that jumps, with a simulated engine."""

from dynasor.simulation.clock import VirtualLoop, run_virtually
from dynasor.simulation.cost import CostModel, EngineProfile
from dynasor.simulation.engine import Author, Piece, Reply, SimulatedEngine
from dynasor.simulation.memory import Segment
from dynasor.simulation.profiles import load_engine_profile, shipped_profiles

__all__ = [
    "Author",
    "CostModel",
    "EngineProfile",
    "Piece",
    "Reply",
    "Segment",
    "SimulatedEngine",
    "VirtualLoop",
    "load_engine_profile",
    "run_virtually",
    "shipped_profiles",
]
