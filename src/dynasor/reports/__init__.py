"""Reports: results as one page that needs nothing else.

A report is a list of *parts* (``parts``): plain data, which ``page`` makes a file of. What makes parts of results is a
function for each kind of result: ``batch_report``, ``simulation_report``, ``bench_report``.
"""

from dynasor.reports.arms import Arm, read_arm, read_arms
from dynasor.reports.batch import batch_report
from dynasor.reports.bench import bench_report
from dynasor.reports.opening import open_report
from dynasor.reports.page import Report, render
from dynasor.reports.parts import Chart, Column, Figure, Figures, Part, QuestionTable, Series, Table
from dynasor.reports.simulation import simulation_report

__all__ = [
    "Arm",
    "Chart",
    "Column",
    "Figure",
    "Figures",
    "Part",
    "QuestionTable",
    "Report",
    "Series",
    "Table",
    "batch_report",
    "bench_report",
    "open_report",
    "read_arm",
    "read_arms",
    "render",
    "simulation_report",
]
