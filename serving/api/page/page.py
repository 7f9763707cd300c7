"""The route of the page."""

from __future__ import annotations

import secrets
from pathlib import Path

import jinja2
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from serving.api.browser_safety import page_policy
from serving.api.service import service_of

FOLDER = Path(__file__).parent
TEMPLATES = jinja2.Environment(
    autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(FOLDER)
)
router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request) -> Response:
    """Return the page, which loads nothing but its own parts and what the API answers."""
    nonce, settings = secrets.token_urlsafe(16), service_of(request).settings
    html = TEMPLATES.get_template("page.html").render(
        nonce=nonce, require_keys=settings.require_keys, max_characters=settings.limits.max_text_characters
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": page_policy(nonce)})
