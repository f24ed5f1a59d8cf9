"""What went wrong between us and the Hub: whether to try again, and one line for the user, without the token."""

from collections.abc import Iterator
from json import JSONDecodeError

AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Answers that another try may mend. 409: another operation on the same repository was under way."""
LONGEST_WAIT = 300.0


def failures() -> tuple[type[Exception], ...]:
    """What the client raises: answers, broken connections (its HTTP library has a tree of its own), uploads, names."""
    from httpx2 import HTTPError

    return (HTTPError, OSError, RuntimeError, ValueError)


def seconds_to_wait(error: BaseException, tries: int) -> float | None:
    """1, 2, 4, ... seconds, or as long as the Hub asks for; None where another try would not help."""
    status = status_of(error)
    if status is not None and status not in AGAIN:
        return None
    if status is None and not _is_network(error):
        return None
    asked = _header(error, "Retry-After")
    return min(float(asked) if asked.isdigit() else 2.0 ** (tries - 1), LONGEST_WAIT)


def explained(error: BaseException, repo: str, token: str, endpoint: str) -> str:
    """One line: what the Hub said, and what to do. The token is taken out, wherever it may have got in."""
    said = _explained(error, repo, endpoint)
    return said.replace(token, "***") if token else said


def _explained(error: BaseException, repo: str, endpoint: str) -> str:
    status = status_of(error)
    if status is None and _is_network(error):
        why = _first_line(list(_chain(error))[-1])
        return f"{repo}: the Hub cannot be reached at {endpoint} ({why}): check the network, start again"
    if status is None:
        return f"{repo}: {_first_line(error)}: check the name and the files"
    if status in _REASONS:
        return f"{repo}: {_REASONS[status]}"
    remedy = "start again later" if status in AGAIN else "mend that first"
    return f"{repo}: the Hub said {status} ({_message(error)}): {remedy}"


_REASONS = {
    401: "the Hub does not take this token: run `.venv/bin/hf auth login` again, or set HF_TOKEN",
    403: "this token may not write there: take one with the right to write, or a name of your own",
    404: "no such repository or revision, or this token may not see it: check the name",
    409: "the Hub was at work on it: start again",
    412: "its main has moved since it was looked at: start again",
}


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error, however deep; None where no answer came."""
    for each in _chain(error):
        status = getattr(getattr(each, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _is_network(error: BaseException) -> bool:
    """A broken connection, or an answer that is no JSON: the page of a proxy, or of a Hub that is down."""
    from httpx2 import HTTPError

    return any(isinstance(each, (HTTPError, JSONDecodeError)) for each in _chain(error))


def _header(error: BaseException, name: str) -> str:
    headers = [getattr(getattr(each, "response", None), "headers", None) for each in _chain(error)]
    return next((str(found.get(name, "")) for found in headers if found is not None), "")


def _message(error: BaseException) -> str:
    """What the Hub wrote beside the status."""
    for each in _chain(error):
        if said := getattr(each, "server_message", None):
            return _first_line(ValueError(str(said)))
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)[:200]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
