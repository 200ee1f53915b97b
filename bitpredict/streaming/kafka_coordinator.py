"""How a member joins its group: kafka-python's way, without what it loses when a poll ends before the group agrees.

As of kafka-python 3.0.12 a join goes on in the background when the poll that began it runs out of time, and three
things then go wrong:

- A join that was begun because partitions were added or topics remade is never completed: the answer resets what told
  of the need, and the member waits without partitions and without signs of life for ever.
- An answer that comes between two polls is thrown away, and the group has to be joined anew, by all members.
- Committed offsets that were asked for and not waited for are given as an answer to the same question later on, though
  another member may have stored others by then.
"""

from collections.abc import Collection
from typing import Any

from kafka import KafkaConsumer
from kafka.coordinator.base import MemberState
from kafka.coordinator.consumer import ConsumerCoordinator


class Coordinator(ConsumerCoordinator):  # type: ignore[misc]
    """Keeps the answer to a join until a poll takes it, and gives signs of life meanwhile."""

    _answer: tuple[Any, bytes] | None = None  # generation, assignment

    def need_rejoin(self) -> bool:
        return self.rejoining or bool(super().need_rejoin())

    async def join_group_async(self, timeout_ms: float | None = None) -> bool:
        with self._lock:
            answer, current = self._answer, self._generation
            taken = answer is not None and answer[0] is current and self.state is MemberState.STABLE
            if taken:
                self.rejoining = self.rejoin_needed = False
                self._join_task = None
        if answer is None or not taken:
            return bool(await super().join_group_async(timeout_ms=timeout_ms))
        await self._on_join_complete_async(current.generation_id, current.member_id, current.protocol, answer[1])
        return True

    async def fetch_committed_offsets_async(self, partitions: Collection[Any], timeout_ms: float | None = None) -> Any:
        self._offset_fetch_futures.pop(frozenset(partitions), None)
        return await super().fetch_committed_offsets_async(partitions, timeout_ms=timeout_ms)

    async def _do_join_and_sync_async(self) -> bytes:
        self._answer = None
        assignment: bytes = await super()._do_join_and_sync_async()
        with self._lock:
            self._answer = self._generation, assignment
            self.state = MemberState.STABLE
            self._enable_heartbeat()
        return assignment

    async def _on_join_complete_async(self, *joined: Any) -> None:
        self._answer = None
        await super()._on_join_complete_async(*joined)


def mend(consumer: KafkaConsumer) -> None:
    """Give a consumer that has not polled yet this coordinator; it makes its own and takes no other."""
    consumer._coordinator.__class__ = Coordinator
