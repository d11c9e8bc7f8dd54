"""The batch job: every arm over the questions, then the sum of it all."""

from __future__ import annotations

from dynasor.answers import AnswerReader
from dynasor.batch.arm_run import ArmRun, Reporter, say_nothing
from dynasor.batch.even_split import compare_with_even_split
from dynasor.batch.job import BASELINE, BatchJob
from dynasor.batch.results import Manifest, ResultFile
from dynasor.batch.summary import ArmSummary, EvenAllocation, compare, replay_even_allocations
from dynasor.engines.protocol import Engine
from dynasor.events import Listener, ignore
from dynasor.scheduling import Budget, BudgetUnit
from dynasor.vocabulary import JSON


async def run_batch(
    job: BatchJob, engine: Engine, reader: AnswerReader, report: Reporter = say_nothing, listener: Listener = ignore
) -> JSON:
    """Run what is missing of ``job`` and sum up all of it; ``listener`` hears what happens to its programs.

    Raises InputError if the output belongs to another job, and EngineUnreachable when the engine is gone;
    the results so far are on the disk then, and the same job goes on from them.
    """
    manifest = job.open_manifest()
    runs = [ArmRun(job, arm, engine, reader, manifest, report, listener) for arm in job.arms()]
    summaries = {run.arm.name: await run.run() for run in runs}
    return _sum_up(job, summaries, manifest)


def _sum_up(job: BatchJob, summaries: dict[str, ArmSummary], manifest: Manifest) -> JSON:
    summary: JSON = {
        "arms": {name: arm.to_json(manifest.elapsed_s.get(name, 0.0)) for name, arm in summaries.items()},
        "options": job.fingerprint,
    }
    even = None
    if job.compare_fixed:
        baseline = job.arms()[0]
        with ResultFile(baseline.path, baseline.format) as results:
            even = replay_even_allocations(results.records(), job.options.max_samples, job.options.seed)
        summary.update(compare(summaries[job.allocator_name], summaries[BASELINE], even))
    if job.budget is not None:
        summary["budget"] = _spent(job.budget, summaries[job.allocator_name])
        if even is not None:
            summary["budget"]["even_split"] = _against_even_split(job, job.budget, even)
    return summary


def _spent(budget: Budget, summary: ArmSummary) -> JSON:
    spent = summary.samples if budget.unit is BudgetUnit.SAMPLES else summary.tokens.total()
    return {"unit": budget.unit.value, "total": budget.total, "spent": spent, "share_spent": spent / budget.total}


def _against_even_split(job: BatchJob, budget: Budget, even: EvenAllocation) -> JSON | None:
    baseline, arm = job.arms()
    with ResultFile(baseline.path, baseline.format) as fixed, ResultFile(arm.path, arm.format) as results:
        return compare_with_even_split(results.records(), fixed.records(), budget, even, job.options.seed)
