"""The dashboard's files: read once, served under a policy that lets a page use nothing of other hosts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from aiohttp import web

from dynasor.pages import page_part

PAGES: Mapping[str, str] = MappingProxyType({"/": "live.html", "/program": "program.html", "/compare": "compare.html"})
ASSETS = "/dashboard/"
TYPES: Mapping[str, str] = MappingProxyType(
    {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
)
SHARED: Mapping[str, str] = MappingProxyType({"theme.css": "theme.css", "chart.js": "vendor/chart.js"})
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "object-src 'none'",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }
)


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, name: str, text: str) -> Asset:
        content = text.encode()
        return cls(content, TYPES[name.rpartition(".")[2]], hashlib.sha256(content).hexdigest()[:32])

    async def serve(self, request: web.Request) -> web.StreamResponse:
        known = {each.value for each in request.if_none_match or ()}
        response = (
            web.Response(status=304)
            if self.etag in known
            else web.Response(body=self.content, content_type=self.content_type, charset="utf-8")
        )
        response.headers.update(HEADERS)
        response.etag = self.etag
        return response


def add_pages(routes: web.UrlDispatcher) -> None:
    """The pages, and under ``ASSETS`` what they consist of."""
    ours = {
        file.name: Asset.of(file.name, file.read_text(encoding="utf-8"))
        for file in files(__package__).joinpath("static").iterdir()
        if file.name.rpartition(".")[2] in TYPES
    }
    shared = {name: Asset.of(name, page_part(path)) for name, path in SHARED.items()}
    for path, name in PAGES.items():
        routes.add_get(path, ours[name].serve)
    for name, asset in (ours | shared).items():
        if not name.endswith(".html"):
            routes.add_get(ASSETS + name, asset.serve)
