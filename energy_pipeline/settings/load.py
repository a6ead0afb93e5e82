"""Fills the settings: option over environment over settings file over default; errors name key, value and allowed.

Next: `site.py`, what is filled.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from energy_pipeline.settings.base import SettingsError
from energy_pipeline.settings.site import OperationSettings, Settings

SETTINGS_FILE = "energy.toml"
ENV_SETTINGS, ENV_ROOTS, ENV_LAKE = "ENERGY_SETTINGS", "METER_ROOTS", "ENERGY_LAKE"
ENV_WEBHOOK = "ENERGY_ALERT_WEBHOOK"
REPORTS = OperationSettings().reports


def load_settings(
    path: str | Path | None = None, environ: Mapping[str, str] | None = None, **options: Any
) -> Settings:
    """Read the settings: options over environment over file over defaults.

    `path` is the settings file (default: `$ENERGY_SETTINGS`, else `./energy.toml` where it exists). Relative
    roots and lake in a file count from the file's folder. Raises `SettingsError` naming the key, what was found and
    what is allowed.
    """
    env = os.environ if environ is None else environ
    chosen = path or env.get(ENV_SETTINGS) or (SETTINGS_FILE if Path(SETTINGS_FILE).is_file() else None)
    raw: dict[str, Any] = {}
    if chosen is not None:
        raw = dict(_read_file(Path(chosen)))
    if env.get(ENV_ROOTS):
        raw["roots"] = [r.strip() for r in env[ENV_ROOTS].split(",") if r.strip()]
    if env.get(ENV_LAKE):
        raw["lake"] = env[ENV_LAKE]
    if env.get(ENV_WEBHOOK) and isinstance(raw.get("operation", {}), dict):
        raw["operation"] = {**raw.get("operation", {}), "webhook": env[ENV_WEBHOOK]}
    raw.update({k: v for k, v in options.items() if v is not None})
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(_explain(error, chosen)) from error


def _read_file(path: Path) -> dict[str, Any]:
    """Return what the file says; the same object while its text is the same, nobody may change it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        msg = f"settings file {path} does not exist; give another with --settings or ENERGY_SETTINGS"
        raise SettingsError(msg) from error
    except UnicodeDecodeError as error:
        raise _no_toml(path, error) from error
    return _parsed(path, path.resolve().parent, text)


def _no_toml(path: Path, error: ValueError) -> SettingsError:
    return SettingsError(f"settings file {path} is not valid TOML: {error}")


@lru_cache(maxsize=8)
def _parsed(path: Path, base: Path, text: str) -> dict[str, Any]:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(path, error) from error
    if "roots" in raw and isinstance(raw["roots"], list):
        raw["roots"] = [_from(base, r) for r in raw["roots"]]
    if "lake" in raw:
        raw["lake"] = _from(base, raw["lake"])
    operation = raw.get("operation", {})
    if isinstance(operation, dict) and operation.get("reports") != "":
        raw["operation"] = {**operation, "reports": _from(base, operation.get("reports", REPORTS))}
    return raw


def _from(base: Path, location: object) -> object:
    if isinstance(location, str) and "://" not in location and not Path(location).is_absolute():
        return str(base / location)
    return location


def _explain(error: ValidationError, path: object) -> str:
    where = f"in {path}" if path else "in the options or the environment"
    lines = [f"wrong settings {where}:"]
    for e in error.errors():
        key = ".".join(str(p) for p in e["loc"]) or "(whole)"
        found = e.get("input")
        if "webhook" in key or (isinstance(found, Mapping) and "webhook" in found):
            found = "(not shown: an address may hold a secret)"
        message = _unknown_key(e["loc"]) if e["type"] == "extra_forbidden" else e["msg"]
        lines.append(f"  {key}: found {found!r}; {message}")
    return "\n".join(lines)


def _unknown_key(location: tuple[int | str, ...]) -> str:
    """Which keys the block has that holds a key nobody knows, and the one that looks most like it."""
    model: type[BaseModel] | None = Settings
    for part in location[:-1]:
        if isinstance(part, str) and model is not None:
            model = _model_in(model.model_fields[part].annotation) if part in model.model_fields else None
    if model is None:
        return "no such key"
    name, allowed = str(location[-1]), sorted(model.model_fields)
    near = get_close_matches(name, allowed, 1)
    return f"no such key{f'; did you mean {near[0]}?' if near else ''} allowed: {', '.join(allowed)}"


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The block of settings that a field holds, alone, in a tuple, or as one of several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a)) is not None), None)
