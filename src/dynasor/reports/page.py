"""Parts as one HTML file that loads nothing.

Everything that comes from models and files goes in as JSON in a data block, and the page's script shows it as text. The
policy in the page's head lets no other script or style run than the ones written here, by their digests, and nothing be
loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

import orjson

from dynasor.pages import page_part
from dynasor.reports.parts import Part, part_to_json
from dynasor.vocabulary import JSON

STYLES = ("theme.css", "report/report.css")
SCRIPTS = ("vendor/chart.js", "report/report.js")


@dataclass(frozen=True, slots=True)
class Report:
    """A title, a line below it, and the parts."""

    title: str
    subtitle: str
    parts: Sequence[Part]

    def to_json(self) -> JSON:
        return {
            "title": self.title,
            "subtitle": self.subtitle,
            "parts": [part_to_json(part) for part in self.parts],
        }


def render(report: Report) -> str:
    """The whole file."""
    styles = [page_part(name) for name in STYLES]
    scripts = [page_part(name) for name in SCRIPTS]
    return Template(page_part("report/report.html")).substitute(
        title=html.escape(report.title),
        policy=policy_for(styles, scripts),
        styles="\n".join(f"<style>{style}</style>" for style in styles),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
        data=data_block(report.to_json()),
    )


def data_block(value: object) -> str:
    """``value`` as JSON that can stand in a script element: no text in it ends the element or begins a comment."""
    encoded = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    return encoded.replace("<", "\\u003c")


def policy_for(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """A Content-Security-Policy under which these run, and nothing else does."""
    return (
        f"default-src 'none'; script-src {digests(scripts)}; style-src {digests(styles)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def digests(texts: Sequence[str]) -> str:
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)
