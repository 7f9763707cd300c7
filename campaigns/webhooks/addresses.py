"""Where a message may go. A client names the address, so it must not lead into the operator's own network.

A name is looked up once, and the connection is made to the address that was found. So what a name leads to cannot
change between check and use.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from campaigns.errors import CampaignError

ALLOWED_HOSTS = "VOXFOUNDRY_WEBHOOK_HOSTS"  # HOST or HOST:PORT, separated by commas. They may be private

MAX_PORT = 65_535
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # any IPv4 address, also a private one, behind NAT64


class AddressRefusedError(CampaignError):
    """A message may not go to this address."""

    type = "callback_refused"
    action = "Name a public https address, or let the operator allow the host by VOXFOUNDRY_WEBHOOK_HOSTS."


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a request goes.

    Attributes:
        url: With the address instead of the name.
        host: For the header Host.
        server_name: That the certificate must have, None without TLS.
    """

    url: str
    host: str
    server_name: str | None


def check_url(url: str, environ: Mapping[str, str] = os.environ) -> None:
    """Refuse an address by its spelling, when a campaign is submitted. Its name is looked up when a message is sent.

    Raises:
        AddressRefusedError: It is not https, has a password in it, or names a private address.
    """
    parsed = _parse(url)
    if _is_allowed(parsed, environ):
        return
    if parsed.scheme != "https":
        raise AddressRefusedError(f"callback_url begins with {parsed.scheme}:; it must be https:", param="callback_url")
    try:
        address = ipaddress.ip_address(parsed.host)
    except ValueError:
        return
    _require_public(address)


def find_target(url: str, environ: Mapping[str, str] = os.environ) -> Target:
    """Return where a message to an address goes. It blocks while the name is looked up.

    Raises:
        AddressRefusedError: It is not allowed, or the name leads to a private address.
        OSError: The name cannot be looked up.
    """
    check_url(url, environ)
    parsed = _parse(url)
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    found = socket.getaddrinfo(parsed.host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(entry[4][0])) for entry in found]
    if not _is_allowed(parsed, environ):
        for address in addresses:
            _require_public(address)
    chosen = addresses[0]
    literal = f"[{chosen}]" if chosen.version == 6 else str(chosen)
    return Target(
        url=str(parsed.copy_with(host=literal.strip("[]"))),
        host=parsed.netloc.decode("ascii"),
        server_name=parsed.host if parsed.scheme == "https" else None,
    )


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
        parsed.host.encode("idna")  # as the resolver does
        if not 0 < (parsed.port or 1) <= MAX_PORT:
            raise ValueError
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefusedError("callback_url is not an address", param="callback_url") from error
    if parsed.scheme not in ("https", "http") or not parsed.host or parsed.userinfo or parsed.fragment:
        raise AddressRefusedError(
            "callback_url must be an https address without a password and a fragment", param="callback_url"
        )
    return parsed


def _is_allowed(parsed: httpx.URL, environ: Mapping[str, str]) -> bool:
    allowed = {name.strip().lower() for name in environ.get(ALLOWED_HOSTS, "").split(",") if name.strip()}
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    return parsed.host.lower() in allowed or f"{parsed.host.lower()}:{port}" in allowed


def _require_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
    is_translated = address.version == 6 and address in TRANSLATED
    if not mapped.is_global or mapped.is_multicast or not address.is_global or is_translated:
        raise AddressRefusedError("callback_url leads to a private address", param="callback_url")
