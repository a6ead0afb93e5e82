"""Killing a process inside a write, with proof: it is frozen first, the lake is looked at, and only then it is killed.

A frozen process (SIGSTOP) changes nothing while the files are listed, so what is found is what stands at the moment
of its death. Proofs, the strongest first: Parquet files that no commit names; a commit file that is being written;
some of the action's commits are there and some are missing. Next: `test_kills.py`.
"""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.plants import staged_in

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 120.0


class ChildError(RuntimeError):
    """A child ended or fell silent where it should not; the message holds what it wrote last."""


class Child:
    """A process of `child.py`; frozen, continued and killed by its parent."""

    def __init__(self, *options: str, prefix: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> None:
        """Start it; imports go on in the background until `ready` is awaited."""
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.crash.child", *options], cwd=ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **(environ or {})},
        )
        self._text = b""
        self._is_ready = False

    def hear(self, timeout_s: float = DEADLINE_S) -> dict[str, object] | None:
        """Return the next thing that the child says; None where it says nothing in time."""
        assert self.process.stdout is not None
        ends = time.monotonic() + timeout_s
        while b"\n" not in self._text:
            waiting = select.select([self.process.stdout], [], [], max(0.0, ends - time.monotonic()))[0]
            if not waiting:
                return None
            found = os.read(self.process.stdout.fileno(), 65536)
            if not found:
                msg = f"the child ended by itself, exit code {self.process.wait()}"
                raise ChildError(msg)
            self._text += found
        line, _, self._text = self._text.partition(b"\n")
        return json.loads(line)  # type: ignore[no-any-return]

    def expect(self, word: str) -> dict[str, object]:
        """Wait for a word of the child."""
        found = self.hear()
        if found is None or found["say"] != word:
            msg = f"expected `{word}` from the child, found {found}"
            raise ChildError(msg)
        return found

    def wait_until_ready(self) -> None:
        """Wait until it has imported everything."""
        if not self._is_ready:
            self.expect("ready")
            self._is_ready = True

    def start(self, **job: object) -> None:
        """Give it a job and wait until it has begun."""
        self.wait_until_ready()
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        self.expect("begin")

    def finish(self) -> dict[str, object]:
        """Wait for the end of its job."""
        return self.expect("end")

    def freeze(self) -> bool:
        """Stop all its threads; False where it has ended its job (it then goes on)."""
        os.kill(self.process.pid, signal.SIGSTOP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            msg = f"the child died by itself: wait status {status}"
            raise ChildError(msg)
        if b"\n" in self._text or select.select([self.process.stdout], [], [], 0)[0]:
            self.thaw()
            return False
        return True

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and see that it was this that ended it."""
        self.process.kill()
        code = self.process.wait(DEADLINE_S)
        self._close()
        if code != -signal.SIGKILL:
            msg = f"the child ended with {code}, not by SIGKILL"
            raise ChildError(msg)

    def close(self) -> None:
        """End it in peace."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_S)
        self._close()

    def _close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None and not stream.closed:
                stream.close()


@dataclass
class Look:
    """What stands in a lake at one moment."""

    unnamed: set[str] = field(default_factory=set)
    staged: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)


class Witness:
    """Looks at a lake as files, without the libraries that write it."""

    def __init__(self, lake: Path) -> None:
        """Remember where it is; commits are read once."""
        self.lake = lake
        self._named: dict[str, set[str]] = {}
        self._read: set[Path] = set()

    def look(self) -> Look:
        """List Parquet files that no commit ever named, commits under way, and the version of every table."""
        found = Look()
        for table in sorted(p for p in self.lake.iterdir() if p.is_dir()) if self.lake.is_dir() else []:
            named = self._named_in(table, found)
            log = table / "_delta_log"
            for file in table.rglob("*.parquet"):
                if log not in file.parents and file.relative_to(table).as_posix() not in named:
                    found.unnamed.add(f"{table.name}/{file.relative_to(table).as_posix()}")
            found.staged |= {f"{table.name}/{f.name}" for f in staged_in(log)}
        return found

    def _named_in(self, table: Path, found: Look) -> set[str]:
        named = self._named.setdefault(table.name, set())
        commits = sorted((table / "_delta_log").glob("*.json"))
        if commits:
            found.versions[table.name] = int(commits[-1].stem)
        for commit in commits:
            if commit in self._read:
                continue
            self._read.add(commit)
            for line in commit.read_text(encoding="utf-8").splitlines():
                action = json.loads(line)
                if "add" in action:
                    named.add(action["add"]["path"])
        return named


@dataclass(frozen=True)
class Proof:
    """Why a process was inside a write when it died."""

    kind: str
    where: tuple[str, ...]


UNNAMED, STAGED, BETWEEN = "files that no commit names", "a commit being written", "between two commits"


def proof_of(before: Look, now: Look, commits: int) -> Proof | None:
    """Return the strongest proof; `commits` is how many the whole action makes, None is returned where none holds."""
    unnamed = now.unnamed - before.unnamed
    if unnamed:
        return Proof(UNNAMED, tuple(sorted({f.split("/")[0] for f in unnamed})))
    staged = now.staged - before.staged
    if staged:
        return Proof(STAGED, tuple(sorted({f.split("/")[0] for f in staged})))
    made = commits_between(before, now)
    moved = tuple(sorted(t for t, v in now.versions.items() if v > before.versions.get(t, -1)))
    return Proof(BETWEEN, moved[-1:]) if 0 < made < commits else None


def commits_between(before: Look, now: Look) -> int:
    """How many commits were made to all tables from one look to the other."""
    return sum(v - before.versions.get(t, -1) for t, v in now.versions.items())


class Hunter:
    """Kills one child inside a write; made before its job starts, so that it knows what stood there."""

    def __init__(self, lake: Path, commits: int, rng: random.Random, only_files: bool) -> None:
        """Look at the lake before the job.

        Args:
            lake: folder that the child will write to.
            commits: how many commits its job makes when nobody disturbs it.
            rng: draws the times between two looks.
            only_files: take nothing weaker than files that no commit names, or a commit being written.
        """
        self.witness, self.commits, self.rng, self.only_files = Witness(lake), commits, rng, only_files
        self.before = self.witness.look()

    def kill(self, child: Child, delay_s: float) -> Proof | None:
        """Kill a child that has begun its job, not before `delay_s`; None where its job ended before."""
        time.sleep(delay_s)
        ends = time.monotonic() + DEADLINE_S
        while time.monotonic() < ends:
            if not child.freeze():
                return None
            proof = proof_of(self.before, self.witness.look(), self.commits)
            if proof is not None and not (self.only_files and proof.kind == BETWEEN):
                child.kill()
                return proof
            child.thaw()
            time.sleep(self.rng.uniform(0, 0.004))
        msg = f"the child neither wrote nor ended within {DEADLINE_S:.0f} s"
        raise ChildError(msg)
