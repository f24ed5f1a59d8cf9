"""Who may ask the local page: only the page itself, in a browser on this machine.

A site elsewhere could make a browser send requests here, or point a name of its own at 127.0.0.1 (DNS rebinding) and
read the answers. So the Host must be this machine by number or as localhost, a request that says it comes from
another origin is refused, and what writes has to bring the token that only our own pages hold.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import UserError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

HOSTS = ("127.0.0.1", "localhost")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Nothing inline runs, nothing is fetched from elsewhere, no other page may frame or embed ours, nothing is kept."""


class RefusedError(UserError):
    """A write without the page's token."""


@dataclass(frozen=True)
class Token:
    """Proof that a form came from a page of ours; another one each time the server starts."""

    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def check(self, given: str) -> None:
        if not hmac.compare_digest(given.encode(), self.secret.encode()):
            raise RefusedError("this form is from before the server was started: load the page again")


def guard(app: "FastAPI", port: int) -> None:
    """Refuse requests of others before any route sees them; say in every answer what a browser may do with it."""
    from fastapi.responses import PlainTextResponse

    hosts = {f"{host}:{port}" for host in HOSTS} | (set(HOSTS) if port == 80 else set())

    @app.middleware("http")
    async def _guard(request: "Request", go_on: Callable[["Request"], Awaitable["Response"]]) -> "Response":
        why = refusal(
            hosts, request.headers.getlist("host"), request.headers.get("origin"), request.headers.get("sec-fetch-site")
        )
        answer = PlainTextResponse(f"{why}\n", 403) if why else await go_on(request)
        answer.headers.update(HEADERS)
        return answer


def refusal(hosts: set[str], host: list[str], origin: str | None, site: str | None) -> str:
    """Why a request is refused; "" for one that is not."""
    if len(host) != 1 or host[0].lower() not in hosts:
        return f"refused: wanted the address {min(hosts)}"
    if origin is not None and origin.lower() not in {f"http://{name}" for name in hosts}:
        return "refused: the request comes from a page of another origin"
    if site not in (None, "same-origin", "none"):
        return "refused: the request comes from another site; type the address instead of following a link"
    return ""
