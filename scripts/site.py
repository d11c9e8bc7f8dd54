"""Builds the documentation site: ``python -m scripts.site`` (``make docs``). Every warning is an error.

The pages are the Markdown files of the repository as they lie there. They are copied to ``build/site-source`` with all
that they link to, built by Zensical into ``build/site``, and the result is checked: links, anchors, pictures, and that
nothing is fetched from another host. The site needs no server: open ``build/site/index.html``.

Needs the extra ``docs`` only, neither dynasor nor its dependencies.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from os.path import relpath
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote

from scripts.site_check import problems_of
from scripts.site_pages import AWAITED, NAV, Nav, paths, without

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^( *)(```+)(\w+) (?:fragment|like=\S+)$", re.MULTILINE)
CODE = re.compile(r"^( *)(```+).*?^\1\2 *$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
WHOLE_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:|#)([^)#\s]+)[^)]*\)")
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")

SHIM = Path(__file__).parent / "vendor" / "iframe-worker.js"
SHIM_ADDRESS = "https://unpkg.com/iframe-worker/shim"
"""What lets the search run in pages that were opened from a disk. Zensical names it by this address; we bring it."""

SETTINGS = {
    "site_name": "Dynasor",
    "site_description": "Serve and evaluate LLM reasoning programs: spend compute where it changes the answer",
    "use_directory_urls": False,
    "theme": {
        "language": "en",
        "font": False,
        "palette": [
            {"media": "(prefers-color-scheme: light)", "scheme": "default"},
            {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
        ],
        "features": ["navigation.footer", "navigation.top", "content.code.copy", "search.highlight", "toc.follow"],
    },
    "extra_css": ["site.css"],
    "extra": {"generator": False},
    "plugins": ["search", "offline"],
    "markdown_extensions": [
        "tables",
        "attr_list",
        "md_in_html",
        {"toc": {"permalink": True}},
        "pymdownx.highlight",
        "pymdownx.superfences",
        "pymdownx.tilde",
    ],
    "validation": {"invalid_links": True, "invalid_link_anchors": True},
}
"""Colours follow the reader's system and nothing else, as the pictures do."""


class SiteError(Exception):
    """The pages cannot be made into a site: a link that leads nowhere, a page that nobody reaches."""


def pages() -> Nav:
    """The pages that are there. SiteError if one is missing, or one of docs/ is in no menu."""
    listed = set(paths(NAV))
    missing = frozenset(path for path in listed if not (ROOT / path).is_file())
    if missing - AWAITED:
        raise SiteError(f"in the menu, but not there: {', '.join(sorted(missing - AWAITED))}")
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    if found - listed:
        raise SiteError(f"in no menu (scripts/site_pages.py): {', '.join(sorted(found - listed))}")
    return without(NAV, missing)


def stage(nav: Nav, folder: Path) -> None:
    """Copies the pages, and all that they link to, into ``folder``, laid out as in the repository."""
    if folder.exists():
        shutil.rmtree(folder)
    listed = set(paths(nav))
    for page in listed:
        text = without_lacking((ROOT / page).read_text(), page)
        for target in links(text):
            path = resolved(page, target)
            if path not in listed:
                copy(path, folder)
        write(folder / page, for_the_site(text, page))
    shutil.copyfile(Path(__file__).with_name("site.css"), folder / "site.css")


def without_lacking(text: str, page: str) -> str:
    """``text`` with plain words in place of links to what the site does not have: pages that are awaited and not there
    yet, and folders of files, which a code host shows."""

    def words(match: re.Match[str]) -> str:
        path = normpath(f"{page}/../{match[2]}")
        is_awaited = path in AWAITED and not (ROOT / path).is_file()
        is_folder = (ROOT / path).is_dir() and not (ROOT / path / "README.md").is_file()
        return match[1] if is_awaited or is_folder else match[0]

    return WHOLE_LINK.sub(words, text)


def links(text: str) -> Iterator[str]:
    """Relative targets of links and pictures, without their anchors. What stands in code is none."""
    for match in LINK.finditer(CODE.sub("", text)):
        yield unquote(match[1])


def resolved(page: str, target: str) -> str:
    """The file in the repository that a link on ``page`` means: a folder stands for its README.md."""
    path = normpath(f"{page}/../{target}")
    if (ROOT / path).is_dir():
        path = f"{path}/README.md"
    if path.startswith("..") or not (ROOT / path).is_file():
        raise SiteError(f"{page} links to {target}, and there is no {path}")
    return path


def for_the_site(text: str, page: str) -> str:
    """``text`` as Zensical reads it: folders named by their README.md, blocks without the words for their tests."""

    def whole(match: re.Match[str]) -> str:
        is_folder = (ROOT / page).parent.joinpath(unquote(match[1])).is_dir()
        return f"{match[1].rstrip('/')}/README.md{match[2] or ''}" if is_folder else match[0]

    return FENCE.sub(r"\1\2\3", LINK.sub(whole, text))


def copy(path: str, folder: Path) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / path, folder / path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def build(nav: Nav, source: Path, site: Path) -> list[str]:
    """What Zensical complains of."""
    settings = {**SETTINGS, "nav": nav, "docs_dir": source.name, "site_dir": site.name}
    config = source.with_suffix(".yml")
    config.write_text(json.dumps(settings, indent=1))  # JSON is YAML
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", str(config)]
    finished = subprocess.run(command, capture_output=True, text=True)
    printed = finished.stdout + finished.stderr
    if finished.returncode or "warning" in printed.lower():
        return [printed.strip()]
    return []


def bring_the_shim(site: Path) -> None:
    """Has every page take the shim of the search from the site itself."""
    target = site / "assets" / "javascripts" / SHIM.name
    shutil.copyfile(SHIM, target)
    for path in site.rglob("*.html"):
        text = path.read_text()
        address = relpath(target, path.parent)
        path.write_text(text.replace(SHIM_ADDRESS, address))


def report(problems: Iterable[str]) -> int:
    found = list(problems)
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "site", help="folder to build into")
    site = parser.parse_args().output.resolve()
    source = site.with_name(f"{site.name}-source")
    try:
        nav = pages()
        stage(nav, source)
    except SiteError as error:
        return report([str(error)])
    if site.exists():
        shutil.rmtree(site)
    if report(build(nav, source, site)):
        return 1
    bring_the_shim(site)
    if report(problems_of(site)):
        return 1
    print(f"{len(list(paths(nav)))} pages, their links and anchors checked: {site / 'index.html'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
