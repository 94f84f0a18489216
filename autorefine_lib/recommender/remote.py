"""A hiring platform's own recommender, asked over HTTP: the platform keeps its model and its candidates' data.

The contract. Each request is a POST to the one address given:

    {"ads": ["<text of an ad>", ...], "candidate_ids": ["<id>", ...]}

with Content-Type application/json, UTF-8, at most `batch_size` ads. The ids are the `candidate_id` column, as text;
the platform knows who they are, no biography is sent. It answers with status 200 and

    {"candidate_ids": ["<id>", ...], "scores": [[<number>, ...], ...]}

one row of scores an ad, in the order of the ads, one column an id, in the order of the answer's own `candidate_ids`,
which are those of the request in any order. Higher is better; numbers are finite and are read as float32. Other keys
are ignored. Status 408, 429, 500, 502, 503 and 504, a broken connection and a time-out are tried again after a wait
that doubles (or the answer's Retry-After, in seconds or as a date); any other status ends in an error. Redirects are
not followed: the ads go to the address that was given and nowhere else.
"""

import email.utils
import http.client
import json
import threading
import time
from collections.abc import Mapping
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import numpy as np
from datasets import Dataset
from tqdm.auto import tqdm

from autorefine_lib.data.schema import require_columns
from autorefine_lib.errors import InputError
from autorefine_lib.recommender.scores import check_scores

TRY_AGAIN = (408, 429, 500, 502, 503, 504)
"""Statuses that may pass by themselves (RFC 9110, section 15)."""


class RemoteRecommender:
    """Ranks by asking a web service (the contract is in the module's docstring).

    Args:
        url: http or https address, without user name and password.
        headers: sent with each request, for a token: {"Authorization": "Bearer ..."}; never printed.
        batch_size: most ads in a request.
        timeout: seconds for one request, from connecting to the last byte.
        retries: how often a request that failed for a passing reason is sent again.
        backoff: seconds before the first retry; doubles each time.
        longest_wait: seconds; no wait is longer, and a Retry-After beyond it ends in an error.
        most_bytes: size limit of an answer.

    Raises:
        InputError: the address is not http or https, or a number is out of its range.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        batch_size: int = 16,
        timeout: float = 30.0,
        retries: int = 4,
        backoff: float = 0.5,
        longest_wait: float = 60.0,
        most_bytes: int = 256 * 2**20,
    ):
        self.url, self.headers = _checked(url), dict(headers or {})
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("retries", retries, 0),
            ("backoff", backoff, 0),
            ("longest_wait", longest_wait, 0),
            ("most_bytes", most_bytes, 1),
        ):
            if not value >= least:
                raise InputError(f"{name}={value} is not at least {least}")
        if not 0 < timeout < threading.TIMEOUT_MAX:
            raise InputError(f"timeout={timeout} is not a number of seconds above 0")
        self.batch_size, self.timeout, self.retries = batch_size, timeout, retries
        self.backoff, self.longest_wait, self.most_bytes = backoff, longest_wait, most_bytes
        self._ids: list[str] = []
        self._open = build_opener(_NoRedirect).open

    def fit(self, candidates: Dataset) -> "RemoteRecommender":
        """Keep the candidates' ids; nothing is sent.

        Raises:
            InputError: no candidates, no column candidate_id, or an id that occurs twice.
        """
        require_columns(candidates.select(range(0)).to_pandas(), ["candidate_id"], "candidates")
        ids = [str(each) for each in candidates["candidate_id"]]
        if not ids:
            raise InputError("no candidates to rank: the candidate table has 0 rows; give at least one")
        if len(set(ids)) < len(ids):
            doubled = next(each for place, each in enumerate(ids) if each in ids[:place])
            raise InputError(f"candidate_id {doubled!r} occurs more than once; the service could not tell them apart")
        self._ids = ids
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """The service's scores, float32 [ads, candidates], in the order of the fitted candidates.

        Raises:
            InputError: called before `fit`; the service cannot be reached, or answers anything but what was agreed.
        """
        if not self._ids:
            raise InputError("the recommender has no candidates yet; call fit(candidates) before rank(ads)")
        ads = list(ads)
        starts = range(0, len(ads), self.batch_size)
        rows = [np.zeros((0, len(self._ids)), np.float32)]
        for start in tqdm(starts, desc="Asking the recommender", unit="request", disable=len(starts) < 10):
            batch = ads[start : start + self.batch_size]
            rows.append(self._scores(self._ask({"ads": batch, "candidate_ids": self._ids}), len(batch)))
        return np.concatenate(rows)

    def _ask(self, question: dict) -> bytes:
        body = json.dumps(question, ensure_ascii=False).encode("utf-8", "replace")
        for attempt in range(self.retries + 1):
            try:
                return _within(self.timeout, lambda: self._post(body))
            except _Passing as failure:
                wait = min(self.backoff * 2**attempt, self.longest_wait) if failure.wait is None else failure.wait
                if wait > self.longest_wait:
                    raise self._error(
                        f"{failure} and asks to wait {wait:.0f} s, longer than longest_wait={self.longest_wait:g}; "
                        "try later"
                    ) from None
                if attempt == self.retries:
                    times = f"{attempt + 1} time{'s' if attempt else ''}"
                    raise self._error(f"{failure} (asked {times}); is it running and is the address right?") from None
            time.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json", **self.headers}
        request = Request(self.url, data=body, headers=headers, method="POST")
        try:
            with self._open(request, timeout=self.timeout) as response:
                if response.status != 200:
                    raise self._error(f"answers with status {response.status}, not 200")
                answer = response.read(self.most_bytes + 1)
                if len(answer) > self.most_bytes:
                    raise self._error(
                        f"answers with more than most_bytes={self.most_bytes:,} bytes; ask for fewer ads at once with "
                        "batch_size, or raise the limit"
                    )
                if response.length:
                    raise _Passing(f"breaks off {response.length:,} bytes before the end of its answer")
                return answer
        except HTTPError as error:
            with error:
                if error.code in TRY_AGAIN:
                    wait = _retry_after(error.headers.get("Retry-After"))
                    raise _Passing(f"answers with status {error.code} ({error.reason})", wait) from None
                moved = f" to {error.headers.get('Location')!r:.200}, which is not followed" if error.code < 400 else ""
                raise self._error(f"answers with status {error.code} ({error.reason}){moved}, not 200") from None
        except TimeoutError:
            raise _Passing(f"gives no answer within timeout={self.timeout:g} s") from None
        except (URLError, OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, TimeoutError):
                raise _Passing(f"gives no answer within timeout={self.timeout:g} s") from None
            raise _Passing(f"cannot be reached ({str(reason) or type(reason).__name__})") from None

    def _scores(self, answer: bytes, ads: int) -> np.ndarray:
        """The answer's scores, its columns put in the order of the fitted candidates."""
        try:
            content = json.loads(answer.decode("utf-8"), parse_constant=float)
        except (ValueError, RecursionError) as error:
            raise self._error(f"answers with something that is not JSON ({error}): {answer[:80]!r}") from None
        if not isinstance(content, dict) or not {"candidate_ids", "scores"} <= content.keys():
            found = f"the keys {', '.join(map(repr, content))}" if isinstance(content, dict) else f"{content!r:.60}"
            raise self._error(f"answers with {found:.200}, not with an object of 'candidate_ids' and 'scores'")
        columns = self._columns(content["candidate_ids"])
        try:
            scores = np.asarray(content["scores"])
        except ValueError:
            raise self._error("answers with rows of scores of different lengths; each needs one an id") from None
        if scores.dtype.kind not in "iuf":
            raise self._error("answers with scores that are not all numbers in rows of equal length")
        try:
            with np.errstate(over="ignore"):  # What is too large for float32 becomes infinite and is refused.
                return check_scores(scores.astype(np.float32), ads, len(self._ids))[:, columns]
        except InputError as error:
            raise self._error(f"answers wrongly: {error}") from None

    def _columns(self, ids: object) -> np.ndarray:
        """Where each fitted candidate is among the answer's `ids`."""
        if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            raise self._error("answers with 'candidate_ids' that are not a list of texts")
        place = {each: column for column, each in enumerate(ids)}
        if len(place) < len(ids):
            doubled = next(each for column, each in enumerate(ids) if place[each] != column)
            raise self._error(f"answers with the candidate id {doubled!r:.80} twice")
        missing = [each for each in self._ids if each not in place]
        foreign = place.keys() - set(self._ids)
        if missing or foreign:
            parts = [f"without {len(missing)} of them, such as {missing[0]!r:.80}"] if missing else []
            parts += [f"with {len(foreign)} that were not asked for, such as {min(foreign)!r:.80}"] if foreign else []
            raise self._error(f"was asked for {len(self._ids)} candidate ids and answers {' and '.join(parts)}")
        return np.array([place[each] for each in self._ids])

    def _error(self, what: str) -> InputError:
        address = urlsplit(self.url)
        # Without the query, which may hold a key, and in one line whatever the server says.
        return InputError(" ".join(f"recommender {address.scheme}://{address.netloc}{address.path} {what}".split()))


class _Passing(Exception):
    """A failure that may be over at the next attempt, with the seconds that the server asks to wait."""

    def __init__(self, what: str, wait: float | None = None):
        super().__init__(what)
        self.wait = wait


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_) -> None:
        return None


def _checked(url: str) -> str:
    try:
        address = urlsplit(url)
        good = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 1) > 0
    except ValueError:
        good = False
    if not good or url != url.strip() or any(char.isspace() for char in url):
        raise InputError(f"recommender address {url!r}: begin it with http:// or https:// and name a host")
    if address.username or address.password:
        raise InputError("recommender address with user name or password: give them as headers, which are not printed")
    return url


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait (RFC 9110, section 10.2.3); None where the header is missing or means nothing."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _within(seconds: float, work):
    """Run `work` for at most `seconds`: a socket's own time-out starts anew with each byte that drips in."""
    result: list = []

    def run() -> None:
        try:
            result.extend((work(), None))
        except BaseException as error:  # Raised again below, in the thread that asked.
            result.extend((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        raise _Passing(f"gives no answer within timeout={seconds:g} s")
    value, error = result
    if error is not None:
        raise error
    return value
