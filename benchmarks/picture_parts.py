"""What the drawn pictures of the documentation share: their colours, light and dark, and the frame of an SVG file.

A picture brings its own ground, and both follow the reader's system, so it can be read wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

STYLE = """\
.ground { fill: #ffffff } .box { fill: #f5f6f8; stroke: #8a93a3 } .line { stroke: #8a93a3; fill: none }
.grid { stroke: #d5d9e0 } text { fill: #1b1f27; font: 13px sans-serif } .muted { fill: #545c6b }
.bold { font-weight: 600 }
.a { fill: #1f5fbf } .b { fill: #c2570c } .c { fill: #1a7340 } .d { fill: #7b3fb3 } .on { fill: #ffffff }
.stroke-a { stroke: #1f5fbf } .stroke-b { stroke: #c2570c } .stroke-c { stroke: #1a7340 } .stroke-d { stroke: #7b3fb3 }
.curve { fill: none; stroke-width: 2.5 } .faint { fill: none; stroke: #8a93a3; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
.ground { fill: #14171c } .box { fill: #1d2128; stroke: #6b7484 } .line { stroke: #a4adbb }
.grid { stroke: #373d48 } text { fill: #e7eaf0 } .muted { fill: #a4adbb }
.a { fill: #7fb0ff } .b { fill: #ffa45c } .c { fill: #6fd193 } .d { fill: #c79bff } .on { fill: #14171c }
.stroke-a { stroke: #7fb0ff } .stroke-b { stroke: #ffa45c } .stroke-c { stroke: #6fd193 } .stroke-d { stroke: #c79bff }
.faint { stroke: #a4adbb }
}"""


def picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """An SVG file of ``parts``, sizes in pixels; ``title`` is what it is called for those who do not see it."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'height="{height:g}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{STYLE}\n</style>",
            f'<rect class="ground" width="{width:g}" height="{height:g}" rx="6"/>',
            *parts,
            "</svg>\n",
        ]
    )


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>'


def bar(x: float, y: float, width: float, height: float, css: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" class="{css}"/>'


def line(points: Iterable[tuple[float, float]], css: str) -> str:
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="{css}"/>'
