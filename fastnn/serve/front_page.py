"""The page at ``/``, from which people try the models; it holds nothing of them, and no token."""

from __future__ import annotations

from functools import lru_cache

from fastnn.exchange.page.sources import page
from fastnn.serve.answer import Answer


@lru_cache(maxsize=1)
def front_page() -> Answer:
    """Return the page, which may ask this server and nobody else, and stand in no other page."""
    text, policy = page("fastnn", "server", sources="; connect-src 'self'")
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": f"{policy}; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
    return Answer(200, [(k.encode(), v.encode()) for k, v in headers.items()], text.encode())
