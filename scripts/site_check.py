"""Whether a built site holds together: links lead to files, anchors are there, nothing comes from another host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"img": "src", "script": "src", "source": "src", "iframe": "src", "video": "src", "audio": "src"}
FETCHED_LINKS = frozenset({"stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload", "manifest"})
STYLE_URL = re.compile(r"""(?:@import\s+|url\(\s*)["']?(https?:)?//""")


@dataclass
class Page(HTMLParser):
    """What a page links to, what a browser fetches for it, and which anchors it has."""

    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(filter(None, (given.get("id"), given.get("name"))))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and FETCHED_LINKS & set(given.get("rel", "").split()):
            self.fetched.append(given.get("href", ""))
        elif given.get(FETCHED.get(tag, "")):
            self.fetched.append(given[FETCHED[tag]])


def problems_of(site: Path) -> Iterator[str]:
    """What is wrong with the site in this folder, a line each."""
    read = {path: page_at(path) for path in sorted(site.rglob("*.html"))}
    if not read:
        yield f"{site} has no pages"
    for path, page in read.items():
        name = path.relative_to(site)
        for target in page.fetched:
            if is_elsewhere(target):
                yield f"{name} fetches {target} from another host"
            elif not target.startswith("data:") and not aim(site, path, target).is_file():
                yield f"{name} needs {target}, which is not there"
        if name.name == "404.html":
            continue
        for target in page.links:
            if not is_elsewhere(target) and not urlsplit(target).scheme:
                yield from broken(site, path, target, read)
    for path in sorted(site.rglob("*.css")):
        if STYLE_URL.search(path.read_text()):
            yield f"{path.relative_to(site)} fetches from another host"


def page_at(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text())
    return page


def is_elsewhere(target: str) -> bool:
    return bool(urlsplit(target).netloc)


def aim(site: Path, path: Path, target: str) -> Path:
    """The file that ``target`` on the page at ``path`` means."""
    inside = unquote(urlsplit(target).path)
    found = site / inside.lstrip("/") if inside.startswith("/") else path.parent / inside if inside else path
    return found / "index.html" if found.is_dir() else found


def broken(site: Path, path: Path, target: str, read: dict[Path, Page]) -> Iterator[str]:
    found = aim(site, path, target).resolve()
    name = path.relative_to(site)
    if not found.is_file():
        yield f"{name} links to {target}, which is not there"
        return
    anchor = unquote(urlsplit(target).fragment)
    if anchor and found in read and anchor not in read[found].anchors:
        yield f"{name} links to {target}, which has no such anchor"
