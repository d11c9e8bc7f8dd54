"""The drawn pictures are those that the code draws."""

from __future__ import annotations

from benchmarks import concept_pictures, policy_picture
from tests.docs.blocks import ROOT

FIGURES = ROOT / "docs" / "figures"


def test_the_pictures_are_as_their_scripts_draw_them() -> None:
    drawn = {
        "flow": concept_pictures.flow_picture(),
        "certaindex": concept_pictures.certaindex_picture(),
        "program": concept_pictures.program_picture(concept_pictures.typical(concept_pictures.simulated_courses())),
        "gang": policy_picture.drawn(["gang", "fcfs"]),
    }
    for name, svg in drawn.items():
        assert (FIGURES / f"{name}.svg").read_text() == svg, f"draw {name}.svg again"
