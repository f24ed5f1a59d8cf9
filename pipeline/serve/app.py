"""A run as pages on this machine: followed live, browsed, its thresholds moved, its verdicts audited.

Pages are made here, text escaped by the template engine; the script only asks for parts of them again. Nothing is
locked, and the only file written is that of the audit's marks.
"""

import socket
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pipeline.commands.explain import TITLES
from pipeline.errors import PipelineError, UserError, one_line
from pipeline.explain.find import UnknownPairError
from pipeline.report.page import TEMPLATES, clean
from pipeline.run_tables import rounds
from pipeline.serve.audit import audit_page, mark_pair
from pipeline.serve.browse import pairs_page
from pipeline.serve.guard import RefusedError, Token, guard
from pipeline.serve.live import live
from pipeline.serve.thresholds import move, present
from pipeline.store import Run

if TYPE_CHECKING:
    from fastapi import FastAPI
    from jinja2 import Environment

HOST = "127.0.0.1"
ASSETS = {"serve.css": "text/css", "serve.js": "text/javascript"}
Render = Callable[..., str]


def serve(run: Run, port: int) -> None:
    """Until Ctrl-C. Port 0 takes a free one."""
    import uvicorn

    listening = listen(port)
    port = listening.getsockname()[1]
    print(f"run {run.name}: http://{HOST}:{port}/  (Ctrl-C ends it)", flush=True)
    config = uvicorn.Config(make_app(run, port), log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


def listen(port: int) -> socket.socket:
    """A socket that only this machine reaches."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)  # whoever comes before the server is up waits instead of being refused
    except OSError as error:
        listening.close()
        raise UserError(f"--port {port}: {error.strerror}: choose another, or 0 for a free one") from None
    return listening


def make_app(run: Run, port: int) -> "FastAPI":
    """All routes for one run; `port` is the one that browsers see."""
    from fastapi import FastAPI

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    token = Token()
    guard(app, port)
    _errors(app, run)
    _assets(app)
    _following(app, run)
    _browsing(app, run)
    _moving(app, run)
    _auditing(app, run, token)
    return app


def page(name: str, run: Run, **values: object) -> str:
    """A page or a part of one."""
    made: str = _environment().get_template(f"serve_{name}.html.jinja").render(run=run.name, here=name, **values)
    return made


def _following(app: "FastAPI", run: Run) -> None:
    from fastapi.responses import HTMLResponse

    @app.get("/", response_class=HTMLResponse)
    def whole() -> str:
        return page("live", run, live=live(run))

    @app.get("/part/live", response_class=HTMLResponse)
    def part() -> str:
        return page("live_part", run, live=live(run))


def _browsing(app: "FastAPI", run: Run) -> None:
    from fastapi import Request
    from fastapi.responses import HTMLResponse

    @app.get("/pairs", response_class=HTMLResponse)
    def pairs(request: Request) -> str:
        return page("pairs", run, **pairs_page(run, dict(request.query_params)))

    @app.get("/pair/{pair_id}", response_class=HTMLResponse)
    def pair(pair_id: str, judge: str = "") -> str:
        from pipeline.explain.pair import explain

        told = explain(run, pair_id, ask_judge=bool(judge))
        return page("pair", run, told=told, titles=TITLES, judge=bool(judge))


def _moving(app: "FastAPI", run: Run) -> None:
    from fastapi import Request
    from fastapi.responses import HTMLResponse

    @app.get("/thresholds", response_class=HTMLResponse)
    def thresholds(request: Request) -> str:
        values = _numbers(request.query_params)
        here = present(run)
        return page("thresholds", run, present=here, values=values, moved=move(run, values), later=len(rounds(run)) > 1)

    @app.get("/part/thresholds", response_class=HTMLResponse)
    def part(request: Request) -> str:
        return page("thresholds_part", run, moved=move(run, _numbers(request.query_params)))


def _numbers(given: Mapping[str, str]) -> dict[str, float]:
    try:
        return {key: float(value) for key, value in given.items()}
    except ValueError:
        raise UserError(f"thresholds {dict(given)!r}: wanted numbers") from None


def _auditing(app: "FastAPI", run: Run, token: Token) -> None:
    from fastapi import Form, Request
    from fastapi.responses import HTMLResponse, RedirectResponse

    @app.get("/audit", response_class=HTMLResponse)
    def audit(request: Request) -> str:
        return page("audit", run, token=token.secret, **audit_page(run, dict(request.query_params)))

    @app.post("/audit")
    def mark(
        pair_id: Annotated[str, Form(pattern="^[0-9a-f]{32}$")],
        said: Annotated[str, Form(pattern="^(right|wrong|undo)$")],
        given: Annotated[str, Form(alias="token", max_length=100)] = "",
        seed: Annotated[int, Form(ge=0, lt=2**31)] = 0,
        round_: Annotated[int, Form(alias="round", ge=0)] = 0,
        target: Annotated[float, Form(gt=0, lt=1)] = 0.9,
    ) -> RedirectResponse:
        token.check(given)
        mark_pair(run, round_, pair_id, said, seed)
        return RedirectResponse(f"/audit?round={round_}&seed={seed}&target={target}", status_code=303)


def _errors(app: "FastAPI", run: Run) -> None:
    """What a person can mend is a page with one line; what is half there while a run goes on is asked for again."""
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse

    def told(line: str, status: int) -> HTMLResponse:
        return HTMLResponse(page("error", run, line=line), status)

    @app.exception_handler(PipelineError)
    async def ours(_: Request, error: PipelineError) -> HTMLResponse:
        status = 403 if isinstance(error, RefusedError) else 404 if isinstance(error, UnknownPairError) else 400
        return told(one_line(error), status)

    @app.exception_handler(RequestValidationError)
    async def form(_: Request, error: RequestValidationError) -> HTMLResponse:
        first = error.errors()[0]
        return told(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 422)

    @app.exception_handler(FileNotFoundError)
    async def gone(_: Request, error: FileNotFoundError) -> HTMLResponse:
        return told(f"{error.filename} went away while it was read: load the page again", 503)


def _assets(app: "FastAPI") -> None:
    from fastapi.responses import Response

    for name, kind in ASSETS.items():
        content = (TEMPLATES / name).read_text(encoding="utf-8")
        if name.endswith("css"):
            content = (TEMPLATES / "report.css").read_text(encoding="utf-8") + content
        app.add_api_route(f"/{name}", _file(Response(content, media_type=kind)), response_class=Response)


def _file(answer: Any) -> Callable[[], Any]:
    return lambda: type(answer)(answer.body, media_type=answer.media_type)


@cache
def _environment() -> "Environment":
    """Everything escapes; text is cleaned of control characters on the way."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(TEMPLATES)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    made.filters |= {"count": lambda number: f"{number:,}", "short": _short, "span": _time_span}
    return made


def _short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _time_span(seconds: float) -> str:
    """ "3 s", "5 min", "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
