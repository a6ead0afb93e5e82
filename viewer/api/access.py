"""Who may read: an optional bearer token for the API, read once when the server is composed.

Basic authentication of the whole server is the guard's (`viewer/security.py`); whoever passed it needs no token.
"""

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from viewer.api.errors import Unauthorised
from viewer.environment import ENV_TOKEN

BEARER = HTTPBearer(auto_error=False, description=f"needed where the server was started with {ENV_TOKEN}")


async def require_token(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> None:
    """Refuse a request without the token, where one is set.

    Raises:
        Unauthorised: the token is missing or wrong.
    """
    token: str | None = request.app.state.api.token
    if token is None or request.scope.get("energy.user_known"):
        return
    # Header bytes arrive decoded as latin-1; encoded so again they are what was sent.
    if given is None or not hmac.compare_digest(given.credentials.encode("latin-1"), token.encode()):
        raise Unauthorised(f"send the header 'Authorization: Bearer …' with the token of {ENV_TOKEN}")
