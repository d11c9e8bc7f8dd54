"""What our pages share, the dashboard and the reports: the chart library and the theme.

``vendor/chart.js`` is Chart.js 4.6.1 as its npm package ships it (``dist/chart.umd.min.js``, MIT, see its licence
beside it): pages load nothing from other hosts.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def page_part(name: str) -> str:
    """A file of this package by its path, ``theme.css`` say."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
