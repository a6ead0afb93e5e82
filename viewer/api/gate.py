"""How many requests work at a time, and who is next: a flood from one client costs another at most one turn.

A few requests run (they share the processors with the pages), the others wait in one queue per client; the queues take
turns. A client with too many waiting requests gets 429, a full house 503. Lives in the event loop: no locks.
Rejected: one common queue - whoever floods it makes everybody wait.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from viewer.api.errors import Overloaded, TooManyRequests


class Gate:
    """Admits requests: `running` at a time, at most `per_client` of one client and `waiting` of all in the queues."""

    def __init__(self, running: int, per_client: int, waiting: int, patience_s: float) -> None:
        self._limit, self._per_client, self._most, self._patience_s = running, per_client, waiting, patience_s
        self._running = 0
        self._waiting = 0
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Hold a place while the block works; sending the answer needs none. Raises what `enter` raises."""
        await self.enter(client)
        try:
            yield
        finally:
            self.leave()

    async def enter(self, client: str) -> None:
        """Return when it is this request's turn.

        Raises:
            TooManyRequests: the client has too many waiting requests.
            Overloaded: too many requests wait, or this one has waited too long.
        """
        if self._running < self._limit:
            self._running += 1
            return
        queue = self._queues.setdefault(client, deque())
        if len(queue) >= self._per_client:
            raise TooManyRequests(f"{len(queue)} of your requests are waiting; send fewer at a time")
        if self._waiting >= self._most:
            self._drop_if_empty(client)
            raise Overloaded("too many requests are waiting; try again")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._waiting += 1
        try:
            await asyncio.wait_for(asyncio.shield(turn), self._patience_s)
        except BaseException as error:
            self._give_up(client, turn)
            if isinstance(error, TimeoutError):
                raise Overloaded(f"waited {self._patience_s:g} s for a turn; try again") from error
            raise

    def leave(self) -> None:
        """Hand the turn to the next client."""
        while self._queues:
            client, queue = next(iter(self._queues.items()))
            turn = queue.popleft()
            self._waiting -= 1
            self._queues.move_to_end(client)
            self._drop_if_empty(client)
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1

    def _give_up(self, client: str, turn: asyncio.Future[None]) -> None:
        if turn.done():
            self.leave()  # the turn came at the moment of giving up
            return
        turn.cancel()
        queue = self._queues.get(client)
        if queue is not None and turn in queue:
            queue.remove(turn)
            self._waiting -= 1
            self._drop_if_empty(client)

    def _drop_if_empty(self, client: str) -> None:
        if not self._queues[client]:
            del self._queues[client]
