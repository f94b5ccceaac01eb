"""The security headers of every answer."""

from __future__ import annotations

from flask import Flask, Response, request

HSTS_SECONDS = 365 * 24 * 3600
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FILE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""The policy of what a stranger sent: nothing in it runs, whatever a browser takes it for."""

MAIL_SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"


def mail_policy(remote_images: bool) -> str:
    """The policy of a mail's body: no scripts, no forms, no requests but for the images that came with it, and
    remote images only when asked for.

    The mail keeps its own inline styles. The frame may be read by the page around it, which fits its height;
    nothing in it can run, so that nothing in it can use that.
    """
    images = "'self' data: https: http:" if remote_images else "'self' data:"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {images}; form-action 'none'; base-uri 'none'; "
        f"frame-ancestors 'self'; sandbox {MAIL_SANDBOX}"
    )


def init(app: Flask, is_https: bool) -> None:
    """Put the headers on everything the portal sends."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer" if request.endpoint == "messages.body" else "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        if request.endpoint != "static":
            headers["Cache-Control"] = "private, no-store"
        if is_https:
            headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}"
        return response
