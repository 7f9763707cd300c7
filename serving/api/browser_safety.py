"""What keeps foreign web pages out of a server on this machine, and a page of ours from loading anything foreign.

A request with a foreign Host comes from a page whose name leads to this machine, and one with a foreign Origin from a
page that knows the port. A form of a foreign page cannot send JSON.
"""

from __future__ import annotations

from collections.abc import Mapping

HOSTS = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # an address may hold a token
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Return whether a request was made for another host than this machine, or by the page of another one.

    Args:
        headers: Of the request, with names in small letters.
    """
    host = headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name not in HOSTS or headers.get("origin", f"http://{host}") != f"http://{host}"


def page_policy(nonce: str, *, media: str = "") -> str:
    """Return the Content-Security-Policy of a page that loads nothing but its own script, style and data.

    Args:
        nonce: Of the page's script and style.
        media: Where sound may come from, such as blob:. Empty: nowhere.
    """
    sound = f"media-src {media}; " if media else ""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
        f"img-src data:; {sound}base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def header_values(scope_headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers of an ASGI scope by their names in small letters."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope_headers}
