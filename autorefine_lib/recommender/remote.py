"""A hiring platform's own recommender over HTTP: the platform keeps its model and the data of its candidates.

The contract. Each request is a POST to one address:

    {"ads": ["<text of an ad>", ...], "candidate_ids": ["<id>", ...]}

with Content-Type application/json in UTF-8, and at most `BATCH_SIZE` ads. The ids are the `candidate_id` column as
text. The platform knows these people, so no biography is sent. It answers with status 200 and

    {"candidate_ids": ["<id>", ...], "scores": [[<number>, ...], ...]}

with one row of scores for each ad, in the order of the ads, and one column for each id, in the order of the answer's
own `candidate_ids`: those of the request, in any order. Higher is better. Numbers are finite and are read as float32.
Other keys are ignored. After status 408, 429, 500, 502, 503 or 504, a broken connection or a time-out, the request is
sent again. The wait before it doubles each time. Any other status is an error. Redirects are not followed, so that the
ads go to the given address and nowhere else.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
import numpy as np
import pandas as pd
import tenacity
from datasets import Dataset
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.recommender.scores import check_scores

TRY_AGAIN = (408, 429, 500, 502, 503, 504)
"""Statuses of failures that may pass by themselves (RFC 9110, section 15)."""
BACK_OFF = 0.5
"""Seconds before the first retry; the wait doubles each time."""
LONGEST_WAIT = 60.0
"""Seconds: no wait is longer."""
RETRIES = 4
"""How often a request is sent again after a failure that may pass."""
TIMEOUT = 30.0
"""Seconds for the connection, and for each wait for a part of the answer."""
BATCH_SIZE = 16
"""Largest number of ads in a request."""

# At the level INFO httpx logs whole addresses, which may hold a key.
logging.getLogger("httpx").setLevel(logging.WARNING)


class RemoteRecommender:
    """Ranks by asking a web service (the contract is in the module's docstring).

    Args:
        url: http or https address, without user name and password.
        headers: sent with each request, for a token: {"Authorization": "Bearer ..."}; never printed.

    Raises:
        InputError: the address is not http or https.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.url, self.headers = _check_url(url), dict(headers or {})
        self._ids: list[str] = []

    def fit(self, candidates: Dataset) -> "RemoteRecommender":
        """Keep the ids of the candidates, each its own; nothing is sent."""
        self._ids = [str(each) for each in candidates["candidate_id"]]
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """The service's scores, float32 [ads, candidates], in the order of the fitted candidates.

        Raises:
            InputError: it is called before `fit`, the service cannot be reached, or its answer breaks the contract.
        """
        if not self._ids:
            raise InputError("the recommender has no candidates yet; call fit(candidates) before rank(ads)")
        starts = range(0, len(ads), BATCH_SIZE)
        rows = [np.zeros((0, len(self._ids)), np.float32)]
        headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json", **self.headers}
        with httpx.Client(headers=headers, timeout=TIMEOUT) as client:
            for start in tqdm(starts, desc="Asking the recommender", unit="request", disable=len(starts) < 10):
                batch = list(ads[start : start + BATCH_SIZE])
                question = json.dumps({"ads": batch, "candidate_ids": self._ids}, ensure_ascii=False)
                rows.append(self._read_scores(self._ask(client, question.encode("utf-8", "replace")), len(batch)))
        return np.concatenate(rows)

    def _ask(self, client: httpx.Client, body: bytes) -> bytes:
        """The answer to one request, which is sent again after failures that may pass."""
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(httpx.HTTPError) | tenacity.retry_if_result(_may_pass),
            stop=tenacity.stop_after_attempt(RETRIES + 1),
            wait=tenacity.wait_exponential(BACK_OFF, max=LONGEST_WAIT),
            retry_error_callback=lambda last: last.outcome and last.outcome.result(),
        )
        asked = f"(asked {RETRIES + 1} time{'s' if RETRIES else ''}); is it running and is the address right?"
        try:
            response = attempts(client.post, self.url, content=body)
        except httpx.TimeoutException:
            raise self._error(f"gives no answer within timeout={TIMEOUT:g} s {asked}") from None
        except httpx.HTTPError as error:
            raise self._error(f"cannot be reached ({error or type(error).__name__}) {asked}") from None
        status = f"answers with status {response.status_code} ({response.reason_phrase}), not 200"
        if response.has_redirect_location:
            raise self._error(f"{status}; its redirect to {response.headers['Location']!r:.200} is not followed")
        if response.status_code != 200:
            raise self._error(f"{status} {asked if _may_pass(response) else ''}")
        return response.content

    def _read_scores(self, answer: bytes, ads: int) -> np.ndarray:
        """The scores of an answer, with the columns in the order of the fitted candidates."""
        try:
            content = json.loads(answer)
            ids, scores = list(content["candidate_ids"]), content["scores"]
            asked, found = Counter(self._ids), Counter(ids)
        except (ValueError, RecursionError, KeyError, TypeError):
            wanted = "a JSON object of 'candidate_ids' and 'scores'"
            raise self._error(f"answers with something that is not {wanted}: {answer[:80]!r}") from None
        if asked != found:
            lists = f"missing: {list(asked - found)!r:.80}; twice or not asked for: {list(found - asked)!r:.80}"
            raise self._error(f"answers with other candidate ids than it was asked for, {lists}")
        columns = pd.Index(ids).get_indexer(self._ids)
        try:
            scores = check_scores(np.asarray(scores), ads, len(ids))
            with np.errstate(over="ignore"):  # What is too large for float32 becomes infinite and is refused.
                return check_scores(scores.astype(np.float32), ads, len(ids))[:, columns]
        except (InputError, ValueError) as error:
            raise self._error(f"answers wrongly: {error}") from None

    def _error(self, what: str) -> InputError:
        address = urlsplit(self.url)
        # Without the query, which may hold a key, and in one line whatever the server says.
        return InputError(" ".join(f"recommender {address.scheme}://{address.netloc}{address.path} {what}".split()))


def _may_pass(response: httpx.Response) -> bool:
    return response.status_code in TRY_AGAIN


def _check_url(url: str) -> str:
    try:
        address = urlsplit(url)
        good = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 1) > 0
    except ValueError:
        good = False
    if not good or any(char.isspace() for char in url):
        raise InputError(f"recommender address {url!r}: begin it with http:// or https:// and name a host")
    if address.username or address.password:
        raise InputError("recommender address with user name or password: give them as headers, which are not printed")
    return url
