"""The remote recommender against a real local server: slow, failing and then recovering, and lying ones."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.recommender import remote
from autorefine_lib.recommender.remote import RemoteRecommender

IDS = ["a", "b", "c"]
ADS = ["one", "three", "seventeen", "two", "five"]
CANDIDATES = Dataset.from_dict({"candidate_id": IDS, "text": ["x", "y", "z"]})


def honest(question: dict) -> dict:
    """The length of the ad times the place of the id in the alphabet, columns in another order than asked."""
    ids = question["candidate_ids"][::-1]
    return {"candidate_ids": ids, "scores": [[len(ad) * (ord(each) - 96) for each in ids] for ad in question["ads"]]}


@contextmanager
def server(answer):
    """Serve `answer(handler, question) -> (status, headers, body)`; yields the address and the questions so far."""
    questions = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            questions.append({**question, "headers": dict(self.headers)})
            given = answer(self, question)
            if given is None:
                return
            status, headers, body = given
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/rank?key=secret", questions
    finally:
        running.shutdown()
        running.server_close()


def refused(message: str, url: str) -> None:
    with pytest.raises(InputError, match=message):
        RemoteRecommender(url).fit(CANDIDATES).rank(ADS)


def test_asks_in_batches_and_puts_columns_in_order(monkeypatch):
    monkeypatch.setattr(remote, "BATCH_SIZE", 2)
    with server(lambda _, question: (200, {}, honest(question))) as (url, questions):
        scores = RemoteRecommender(url, {"Authorization": "Bearer t"}).fit(CANDIDATES).rank(ADS)
    expected = np.outer([len(ad) for ad in ADS], [1, 2, 3]).astype(np.float32)
    np.testing.assert_array_equal(scores, expected)
    assert scores.dtype == np.float32
    assert [each["ads"] for each in questions] == [ADS[:2], ADS[2:4], ADS[4:]]
    assert all(each["candidate_ids"] == IDS for each in questions)
    assert questions[0]["headers"]["Authorization"] == "Bearer t"
    assert "text" not in json.dumps(questions[0]["candidate_ids"])


def test_text_that_is_not_ascii_arrives():
    with server(lambda _, question: (200, {}, honest(question))) as (url, questions):
        RemoteRecommender(url).fit(CANDIDATES).rank(["Pflegekräfte gesucht – 25 €\n\u200b"])
    assert questions[0]["ads"] == ["Pflegekräfte gesucht – 25 €\n\u200b"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_failing_and_then_recovering(status, monkeypatch):
    monkeypatch.setattr(remote, "BACK_OFF", 0.01)
    left = [1, 1]

    def answer(_, question):
        if left:
            left.pop()
            return status, {}, b"busy"
        return 200, {}, honest(question)

    with server(answer) as (url, questions):
        assert RemoteRecommender(url).fit(CANDIDATES).rank(ADS).shape == (5, 3)
    assert len(questions) == 3


def test_back_off_doubles(monkeypatch):
    waits = []
    monkeypatch.setattr(remote, "LONGEST_WAIT", 10.0)
    monkeypatch.setattr(remote, "RETRIES", 6)
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    with server(lambda *_: (503, {}, b"")) as (url, _):
        refused(r"status 503 .*\(asked 7 times\)", url)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]


def test_slow_server(monkeypatch):
    for name, value in (("BACK_OFF", 0), ("TIMEOUT", 0.2), ("RETRIES", 1)):
        monkeypatch.setattr(remote, name, value)
    done = threading.Event()
    with server(lambda *_: done.wait(5) and None) as (url, questions):
        refused(r"no answer within timeout=0.2 s \(asked 2 times\)", url)
        done.set()


def test_connection_that_breaks_off_is_tried_again(monkeypatch):
    monkeypatch.setattr(remote, "BACK_OFF", 0)
    left = [1]

    def answer(_, question):
        body = json.dumps(honest(question)).encode()
        if left:
            left.pop()
            return 200, {"Content-Length": str(len(body) + 9)}, body
        return 200, {}, body

    with server(answer) as (url, questions):
        assert RemoteRecommender(url).fit(CANDIDATES).rank(ADS).shape == (5, 3)
    assert len(questions) == 2


def test_nobody_there(monkeypatch):
    monkeypatch.setattr(remote, "RETRIES", 0)
    with server(lambda *_: (200, {}, {})) as (url, _):
        pass
    with pytest.raises(InputError, match=r"cannot be reached \(.*\) \(asked 1 time\)"):
        RemoteRecommender(url).fit(CANDIDATES).rank(ADS)


def test_redirects_are_not_followed():
    with server(lambda *_: (302, {"Location": "http://127.0.0.1:9/else"}, b"")) as (url, questions):
        refused("status 302 .*is not followed", url)
    assert len(questions) == 1


LIES = {
    "not json": (b"<html>", "not a JSON object"),
    "not utf-8": (b"\xff\xfe", "not a JSON object"),
    "nested": (b"[" * 100_000, "not a JSON object"),
    "a list": ([1], "not a JSON object"),
    "other keys": ({"ids": IDS}, "not a JSON object of 'candidate_ids' and 'scores'.*ids"),
    "no ids": ({"candidate_ids": 3, "scores": []}, "not a JSON object"),
    "nested ids": ({"candidate_ids": [["a"], "b", "c"], "scores": []}, "not a JSON object"),
    "ids in one text": ({"candidate_ids": "a, b, c", "scores": []}, "other candidate ids"),
    "number ids": ({"candidate_ids": [1, 2, 3], "scores": []}, r"twice or not asked for: \[1, 2, 3\]"),
    "missing id": (
        {"candidate_ids": ["a", "b"], "scores": [[1, 2]]},
        r"missing: \['c'\]; twice or not asked for: \[\]",
    ),
    "foreign id": (
        {"candidate_ids": [*IDS, "d"], "scores": [[1, 2, 3, 4]]},
        r"missing: \[\]; twice or not asked for: \['d'\]",
    ),
    "id twice": (
        {"candidate_ids": ["a", "b", "b"], "scores": [[1, 2, 3]]},
        r"missing: \['c'\]; twice or not asked for: \['b'\]",
    ),
    "a row too few": ({"candidate_ids": IDS, "scores": []}, r"shape \(0,\), not \(1, 3\)"),
    "a row too many": ({"candidate_ids": IDS, "scores": [[1, 2, 3]] * 2}, r"shape \(2, 3\), not \(1, 3\)"),
    "a column too few": ({"candidate_ids": IDS, "scores": [[1, 2]]}, r"shape \(1, 2\)"),
    "ragged": ({"candidate_ids": IDS, "scores": [[1, 2, 3], [1]]}, "inhomogeneous"),
    "text": ({"candidate_ids": IDS, "scores": [["1", "2", "3"]]}, "instead of numbers"),
    "null": ({"candidate_ids": IDS, "scores": [[1, None, 3]]}, "instead of numbers"),
    "true": ({"candidate_ids": IDS, "scores": [[True, False, True]]}, "instead of numbers"),
    "object": ({"candidate_ids": IDS, "scores": {"a": 1}}, "instead of numbers"),
    "NaN": (b'{"candidate_ids": ["a", "b", "c"], "scores": [[1, NaN, 2]]}', "score of ad 0, candidate 1"),
    "infinite": (b'{"candidate_ids": ["a", "b", "c"], "scores": [[1, 1e999, 2]]}', "score of ad 0, candidate 1"),
    "too large": ({"candidate_ids": IDS, "scores": [[1, 2, 1e300]]}, "score of ad 0, candidate 2"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lying_servers_get_one_line(lie):
    body, message = LIES[lie]
    with server(lambda *_: (200, {}, body)) as (url, questions), pytest.raises(InputError, match=message) as error:
        RemoteRecommender(url).fit(CANDIDATES).rank(ADS[:1])
    assert len(questions) == 1, "a wrong answer is not asked for again"
    assert "\n" not in str(error.value) and "secret" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize("status", [201, 204, 400, 401, 404])
def test_other_statuses_are_errors_at_once(status):
    with server(lambda *_: (status, {}, b"")) as (url, questions):
        refused(f"status {status}", url)
    assert len(questions) == 1


def test_the_address_with_its_key_is_not_logged(caplog):
    with caplog.at_level("INFO"), server(lambda _, question: (200, {}, honest(question))) as (url, _):
        RemoteRecommender(url).fit(CANDIDATES).rank(ADS)
    assert "secret" not in caplog.text


def test_no_ads_ask_nothing():
    with server(lambda *_: (500, {}, b"")) as (url, questions):
        assert RemoteRecommender(url).fit(CANDIDATES).rank([]).shape == (0, 3)
    assert questions == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", "begin it with http"),
        ("ftp://host/x", "begin it with http"),
        ("http://", "name a host"),
        ("http://host:99999/", "name a host"),
        ("http://host/a b", "name a host"),
        ("http://me:word@host/", "give them as headers"),
    ],
)
def test_addresses_that_are_refused(url, message):
    with pytest.raises(InputError, match=message) as error:
        RemoteRecommender(url)
    assert "word" not in str(error.value).replace("password", "")


def test_ranking_before_the_candidates_are_known():
    with pytest.raises(InputError, match="call fit"):
        RemoteRecommender("http://host/").rank(ADS)
