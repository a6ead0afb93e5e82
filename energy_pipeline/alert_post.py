"""One alert to the webhook: a POST with a time limit and retries; what goes wrong is words, never an exception.

Next: `alerts.py`, which decides what is sent and remembers it.
"""

from collections.abc import Mapping

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from energy_pipeline.settings import OperationSettings

AGAIN = (408, 425, 429, 500, 502, 503, 504)
PAUSE_S = 0.5


def post_alert(operation: OperationSettings, body: Mapping[str, object]) -> str | None:
    """Send an alert; return None where the webhook took it, else what went wrong (without its address).

    A connection that is refused or times out, and the answers in `AGAIN`, are tried again with growing pauses.
    """
    retry = Retry(
        total=operation.webhook_attempts - 1, backoff_factor=PAUSE_S, status_forcelist=AGAIN, allowed_methods=["POST"],
        raise_on_status=False, respect_retry_after_header=False,
    )
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        try:
            answer = session.post(
                operation.webhook, json=dict(body), timeout=operation.webhook_timeout_s, allow_redirects=False
            )
        except requests.RequestException as error:
            # The message of the exception holds the address, which may hold a secret.
            return f"the webhook did not answer ({type(error).__name__}); check operation.webhook and the network"
    if answer.ok and not answer.is_redirect:
        return None
    return f"the webhook answered {answer.status_code}; check operation.webhook"
