"""Benchmarks as verbs: the pure parts (arrivals, deadlines, knee, report) apart from what drives an engine."""
