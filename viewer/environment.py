"""What the environment says about who may read: user and password, token, secret, further hosts. Read at the start.

What is said by half is refused, never taken for "open to all": a server that starts has the locks that were meant.
Next: `security.py` and `api/access.py`, which hold the doors.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

ENV_HOSTS, ENV_USER, ENV_PASSWORD, ENV_SECRET, ENV_TOKEN = (
    "ENERGY_VIEWER_HOSTS",
    "ENERGY_VIEWER_USER",
    "ENERGY_VIEWER_PASSWORD",
    "ENERGY_VIEWER_SECRET",
    "ENERGY_API_TOKEN",
)
SECRET_LENGTH = 16


class AccessUnclear(ValueError):  # noqa: N818 - named as states
    """The environment says only by half who may read; the message names the variable and what to do."""


@dataclass(frozen=True)
class Access:
    """Who may read, as the environment says it."""

    hosts: tuple[str, ...] = ()
    credentials: tuple[str, str] | None = None
    token: str | None = field(default=None, repr=False)
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Access":
        """Return what `environ` says.

        Raises:
            AccessUnclear: a variable is set and empty, a user has no password or the other way round, or the secret
                is too short.
        """
        for name in (ENV_USER, ENV_PASSWORD, ENV_TOKEN, ENV_SECRET):
            if name in environ and not environ[name].strip():
                raise AccessUnclear(f"{name} is set, but empty; give it a value, or remove it (unset {name})")
        user, password = environ.get(ENV_USER), environ.get(ENV_PASSWORD)
        if (user is None) != (password is None):
            there, absent = (ENV_USER, ENV_PASSWORD) if password is None else (ENV_PASSWORD, ENV_USER)
            raise AccessUnclear(
                f"{there} is set, {absent} is not: pages and API would be open to everybody; set both, or neither"
            )
        if user is not None and ":" in user:
            raise AccessUnclear(f"{ENV_USER} holds a colon, which ends the name in a request; take a name without one")
        hosts = tuple(h.strip() for h in environ.get(ENV_HOSTS, "").split(",") if h.strip())
        credentials = (user, password) if user is not None and password is not None else None
        known = {"secret": _secret(environ[ENV_SECRET])} if ENV_SECRET in environ else {}
        return cls(hosts, credentials, environ.get(ENV_TOKEN), **known)


def _secret(text: str) -> str:
    if len(text) < SECRET_LENGTH:
        raise AccessUnclear(
            f"{ENV_SECRET} has {len(text)} characters, {SECRET_LENGTH} are the least: it signs the sessions; take the "
            f"output of `openssl rand -hex 32`, or remove it and each start makes one of its own"
        )
    return text
