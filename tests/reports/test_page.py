"""The page as a file: complete, closed to the outside, and deaf to what models write."""

from __future__ import annotations

import base64
import hashlib
import json
import re

from dynasor.reports import Report, batch_report, render
from tests.reports.results import arm, record

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "${alert(1)} $title $$",
    "\u2028\u2029\x00\ud7ff\"'`",
)


def data_in(page: str) -> str:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return str(found)


def test_what_models_write_stays_data() -> None:
    page = render(batch_report([arm("agreement", *(record(f"{n}", text) for n, text in enumerate(HOSTILE)))]))
    data = data_in(page)
    assert "<" not in data
    rows = json.loads(data)["parts"][-1]["rows"]
    assert [row[1] for row in rows] == list(HOSTILE)


def test_a_hostile_title_is_text_too() -> None:
    page = render(Report("<script>alert(1)</script>", HOSTILE[0], []))
    assert "<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>" in page
    assert page.count("<script") == 3, "the data, the charts and the page's own"


def test_only_the_scripts_and_styles_of_the_page_may_run_and_nothing_is_loaded() -> None:
    page = render(Report("title", "", []))
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        contents = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(contents) == 2
        for content in contents:
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy.partition(directive)[2].partition(";")[0]
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert "@import" not in page
    assert "url(" not in "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))


def test_ten_thousand_questions_are_a_file_of_some_megabytes() -> None:
    records = [record(f"question-{number:05d}", str(number)) for number in range(10_000)]
    assert len(render(batch_report([arm("agreement", *records)]))) < 3_000_000
