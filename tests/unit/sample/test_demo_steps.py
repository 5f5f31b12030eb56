"""The demo's own steps: which link it follows, what it downloads, and that it checks everything."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from baton_local.demo import run, stage
from baton_local.demo.stage import DemoFailed, Stage
from baton_local.sales.expected import Comparison

MAIL = """Download (until 2026-01-01):
http://127.0.0.1:1/b/output/sales/x/e2/r%C3%A9sult.csv?X-Amz-Signature=1&y=2

Rejected:
http://127.0.0.1:1/b/output/sales/x/e2/rejects.csv?X-Amz-Signature=3
"""


def test_a_command_is_printed_as_it_can_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(_stage: Stage, _args: tuple[str, ...]) -> list[str]:
        return ["true"]

    monkeypatch.setattr(Stage, "_command", nothing)

    Stage(tmp_path).baton("freeze", "--reason", "quarter end", BATON_X="a b")

    assert capsys.readouterr().out == "  $ BATON_X='a b' baton freeze --reason 'quarter end'\n"


def test_the_link_to_an_object_is_found_by_its_key() -> None:
    result = stage.link_to("output/sales/x/e2/résult.csv", MAIL)
    rejects = stage.link_to("output/sales/x/e2/rejects.csv", MAIL)

    assert result.endswith("y=2")
    assert rejects.endswith("Signature=3")


@pytest.mark.parametrize("mail", ["", MAIL.replace("rejects.csv", "other.csv")])
def test_a_mail_without_the_link_fails_the_demo(mail: str) -> None:
    with pytest.raises(DemoFailed, match=r"no link to output/sales/x/e2/rejects.csv"):
        stage.link_to("output/sales/x/e2/rejects.csv", mail)


def test_a_ledger_that_says_something_else_fails_the_demo() -> None:
    told = {"records_in": 10, "records_out": 9, "rejects": 1}

    run.agree(told, Comparison(10, 9, 1))

    with pytest.raises(DemoFailed, match="the ledger says"):
        run.agree(told, Comparison(10, 8, 2))


class _OneFile(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/b/r.csv?signed=1"
        self.send_response(200 if found else 403)
        self.end_headers()
        self.wfile.write(b"a,b\n" if found else b"no")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _OneFile) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_a_link_is_followed_without_proxy_credentials_or_sdk(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    stage.download(f"{server}/b/r.csv?signed=1", tmp_path / "here.csv")

    assert (tmp_path / "here.csv").read_bytes() == b"a,b\n"
    assert capsys.readouterr().out == f"  GET {server}/b/r.csv?…: 4 bytes, here.csv\n"
    with pytest.raises(HTTPError, match="403"):
        stage.download(f"{server}/b/r.csv?signed=2", tmp_path / "x")
