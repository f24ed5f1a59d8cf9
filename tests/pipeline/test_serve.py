"""The served pages over real HTTP: what they show, what they refuse, and marks that stay."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from report_runs import HOSTILE, full_run
from served_run import served

from pipeline.errors import UserError
from pipeline.run_tables import corpus_rows
from pipeline.serve.app import listen
from pipeline.serve.audit_marks import FILE, marks
from pipeline.store import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return full_run(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def client(run: Run) -> Iterator[httpx.Client]:
    with served(run) as address, httpx.Client(base_url=address, timeout=60) as opened:
        yield opened


def form(page: str) -> dict[str, str]:
    """The hidden fields of the first form that posts."""
    own = page[page.index('<form method="post"') :]
    own = own[: own.index("</form>")]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', own))


def found(page: str) -> int:
    return int(re.search(r'id="found"[^>]*>([\d,]+) pairs', page).group(1).replace(",", ""))


def test_every_page(client: httpx.Client) -> None:
    for path in ("/", "/part/live", "/pairs", "/thresholds", "/part/thresholds", "/audit", "/serve.css", "/serve.js"):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "<script>" not in answer.text and HOSTILE not in answer.text
    assert client.get("/docs").status_code == client.get("/openapi.json").status_code == 404


def test_live(client: httpx.Client) -> None:
    page = client.get("/part/live").text
    assert "No process works on it now." in page
    assert page.count("<progress") == 10
    assert "Newest kept" in page


def test_browsing(client: httpx.Client, run: Run) -> None:
    every = found(client.get("/pairs?round=0").text)
    kept = client.get("/pairs?round=0&verdict=kept").text
    assert 0 < found(kept) == corpus_rows(run, 0).num_rows <= every
    assert found(client.get("/pairs?round=0&verdict=dropped").text) + found(kept) == every
    assert found(client.get("/pairs?round=0&words=SCHOOLS+budget").text) > 0
    assert found(client.get("/pairs?words=%25_'%22%3B--").text) == 0
    assert found(client.get("/pairs?round=0&task=nothing").text) == 0
    low, high = (found(client.get(f"/pairs?round=0&sort=length&{side}=0.7").text) for side in ("most", "least"))
    assert 0 < low < every and low + high == every
    pages = [client.get(f"/pairs?round=0&sort=length&order=up&page={n}").text for n in (1, 2, 99)]
    assert "page 2 of 2" in pages[1] and "page 2 of 2" in pages[2]
    scores = [float(x) for x in re.findall(r"<span>length ([\d.]+)</span>", "".join(pages[:2]))]
    assert scores == sorted(scores) and len(scores) == every


@pytest.mark.parametrize("query", ["page=x", "page=0", "round=-1", "least=much", "sort=nothing", "round=1%00"])
def test_browsing_for_what_is_not(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/pairs?{query}")
    assert answer.status_code == 400
    assert 'id="error"' in answer.text


def test_a_pair(client: httpx.Client, run: Run) -> None:
    key = corpus_rows(run, 0)["pair_id"][0].as_py()
    page = client.get(f"/pair/{key[:10]}").text
    assert key in page and "Filters" in page and "kept" in page
    assert client.get("/pair/ffffffffffff").status_code == 404
    strange = client.get("/pair/%3Cscript%3Ealert(1)")
    assert strange.status_code == 404
    assert "&lt;script&gt;alert(1)" in strange.text and "<script>" not in strange.text


def test_thresholds(client: httpx.Client) -> None:
    page = client.get("/thresholds").text
    assert 'name="tasks.summary.panel.length.below_ratio"' in page
    moved = client.get("/part/thresholds?tasks.summary.panel.length.below_ratio=0.7").text
    row = re.search(r'data-stage="corpus".*?class="n then">(\d+)</td><td class="n rejected">(-\d+)', moved)
    assert row and int(row.group(1)) - int(row.group(2)) == 36
    assert "SET=tasks.summary.panel.length.below_ratio=0.7" in moved
    assert client.get("/part/thresholds?tasks.summary.instruction=1").status_code == 400
    assert client.get("/part/thresholds?tasks.summary.panel.length.below_ratio=x").status_code == 400


def test_other_hosts_and_origins_are_refused(client: httpx.Client) -> None:
    port = client.base_url.port
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": f"127.0.0.1.evil.example:{port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{port}"},
        {"Origin": f"http://127.0.0.1:{port + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        for path in ("/", "/part/live", "/pairs", "/serve.js", "/nothing"):
            assert client.get(path, headers=headers).status_code == 403, headers
        assert client.post("/audit", headers=headers).status_code == 403
    assert client.get("/", headers={"Host": f"localhost:{port}"}).status_code == 200
    assert client.get("/", headers={"Origin": f"http://127.0.0.1:{port}"}).status_code == 200


def test_marks_need_the_token_and_a_drawn_pair(client: httpx.Client, run: Run) -> None:
    fields = form(client.get("/audit?round=1").text)
    for changed, status in (
        ({"token": "guessed"}, 403),
        ({"token": ""}, 403),
        ({"token": "é"}, 403),
        ({"said": "maybe"}, 422),
        ({"pair_id": "../../x"}, 422),
        ({"pair_id": "0" * 32}, 400),
        ({"round": "7"}, 400),
        ({"seed": "-1"}, 422),
    ):
        answer = client.post("/audit", data={"said": "right"} | fields | changed)
        assert answer.status_code == status, (changed, answer.text)
    assert marks(run, 1) == {}


def test_an_audit(client: httpx.Client, run: Run) -> None:
    asked = []
    for number in range(8):
        page = client.get("/audit?round=0&seed=3").text
        fields = form(page)
        asked.append(fields["pair_id"])
        assert "dropped by" not in page[: page.index("</section>")]
        said = "right" if number % 2 else "wrong"
        answer = client.post("/audit", data=fields | {"said": said})
        assert (answer.status_code, answer.headers["location"]) == (303, "/audit?round=0&seed=3&target=0.9")
    assert len(set(asked)) == 8
    assert list(marks(run, 0)) == asked
    page = client.get("/audit?round=0&seed=3").text
    assert 'id="precision"' in page
    shown = re.findall(r'<td class="n">(\d+)</td><td class="n">(\d+)</td>', page[page.index('id="precision"') :])
    assert sum(int(number) for number, _ in shown) == 8
    last = dict(form(page), pair_id=asked[-1])
    client.post("/audit", data=last | {"said": "undo"})
    assert list(marks(run, 0)) == asked[:-1]
    assert form(client.get("/audit?round=0&seed=3").text)["pair_id"] == asked[-1]
    with served(run) as other:  # another server finds the same marks and goes on with the same pair
        assert form(httpx.get(f"{other}/audit?round=0&seed=3", timeout=60).text)["pair_id"] == asked[-1]
    lines = [json.loads(line) for line in (run.folder / FILE).read_text().splitlines() if line]
    assert [line["said"] for line in lines][-1] == ""


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    (tmp_path / "begun" / "round-0" / "pairs").mkdir(parents=True)
    with served(Run(tmp_path / "begun")) as address:
        for path, status in (("/", 200), ("/pairs", 200), ("/audit", 200), ("/thresholds", 400), ("/pair/ab", 404)):
            answer = httpx.get(address + path, timeout=60)
            assert answer.status_code == status, (path, answer.text)


def test_the_port(run: Run) -> None:
    taken = listen(0)
    try:
        with pytest.raises(UserError, match="choose another"):
            listen(taken.getsockname()[1])
        assert taken.getsockname()[0] == "127.0.0.1"
    finally:
        taken.close()


def test_the_command_line_names_a_run_that_is_not_there() -> None:
    asked = [sys.executable, "-m", "pipeline", "serve", "--run", "no-such-run"]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "no-such-run" in ended.stderr
