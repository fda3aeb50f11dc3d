"""The hub between committed events and waiting streams, from many threads."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from federation.run.events import Progress
from webapp.db.repository.events import StoredEvent
from webapp.operations.event_hub import MAX_PENDING, EventHub, Subscription


def event(number: int, run_id: int | None = 1) -> StoredEvent:
    return StoredEvent(number, run_id, None, "round", datetime.now(UTC), {})


def progress(client_id: int, batch: int, run_id: int = 1) -> Progress:
    return Progress(client_id, run_id, 1, "train", "training", batch, 100)


def on_a_loop(story: Callable[[EventHub], Awaitable[None]]) -> None:
    async def play() -> None:
        event_hub = EventHub()
        event_hub.open()
        await asyncio.wait_for(story(event_hub), 10)

    asyncio.run(play())


async def take(subscription: Subscription, count: int) -> list[int]:
    ids: list[int] = []
    async for events, _ in subscription.batches():
        ids += [one.id for one in events]
        if len(ids) >= count:
            break
    return ids


def test_every_stream_hears_of_its_run_in_order() -> None:
    async def story(event_hub: EventHub) -> None:
        def tell() -> None:
            for number in range(100):
                event_hub.publish([event(number, 1 + number % 2)])

        with event_hub.subscribe(None) as everything, event_hub.subscribe(2) as second:
            thread = threading.Thread(target=tell)
            thread.start()
            assert await take(everything, 100) == list(range(100))
            assert await take(second, 50) == list(range(1, 100, 2))
            await asyncio.to_thread(thread.join, 5)

    on_a_loop(story)


def test_with_many_streams_each_gets_several_events_at_once() -> None:
    async def story(event_hub: EventHub) -> None:
        with ExitStack() as stack:
            streams = [stack.enter_context(event_hub.subscribe(None)) for _ in range(200)]
            batches: list[list[int]] = []

            async def read() -> None:
                async for events, _ in streams[0].batches():
                    batches.append([one.id for one in events])
                    if batches[-1][-1] == 99:
                        return

            reading = asyncio.create_task(read())
            for number in range(100):
                event_hub.publish([event(number)])
                await asyncio.sleep(0)
            await reading
        assert [one for batch in batches for one in batch] == list(range(100))
        assert len(batches) < 10

    on_a_loop(story)


def test_a_stream_that_does_not_keep_up_is_told_to_ask_again() -> None:
    async def story(event_hub: EventHub) -> None:
        with event_hub.subscribe(None) as slow:
            event_hub.publish([event(number) for number in range(MAX_PENDING + 1)])
            await asyncio.sleep(0)
            event_hub.publish([event(MAX_PENDING + 2)])
            assert await take(slow, 1) == []
            assert slow.overflowed

    on_a_loop(story)


def test_progress_is_thinned_to_the_newest_of_each_client() -> None:
    async def story(event_hub: EventHub) -> None:
        with event_hub.subscribe(1) as stream:
            loop = asyncio.get_running_loop()
            began, heard = loop.time(), list[Progress]()

            async def tell() -> None:
                for batch in range(200):
                    for client_id in (1, 2):
                        event_hub.publish_progress(progress(client_id, batch))
                    event_hub.publish_progress(progress(3, batch, run_id=2))
                    await asyncio.sleep(0.002)

            telling = asyncio.create_task(tell())
            async for _, some in stream.batches():
                heard += some
                if {one.batch for one in heard if one.client_id == 2} >= {199}:
                    break
            seconds = loop.time() - began
            await telling
        assert {one.client_id for one in heard} == {1, 2}
        assert len(heard) <= 2 * (seconds / 0.1 + 2)
        batches = [one.batch for one in heard if one.client_id == 1]
        assert batches == sorted(set(batches), key=lambda batch: batch or 0)

    on_a_loop(story)


def test_an_event_does_not_wait_for_progress() -> None:
    async def story(event_hub: EventHub) -> None:
        with event_hub.subscribe(None) as stream:
            event_hub.publish_progress(progress(1, 1))
            await asyncio.sleep(0.02)
            event_hub.publish_progress(progress(1, 2))
            event_hub.publish([event(1)])
            first: list[object] = []
            async for events, some in stream.batches():
                first += [*some, *(one.id for one in events)]
                if 1 in first:
                    break
        assert [getattr(one, "batch", one) for one in first] == [1, 1]

    on_a_loop(story)


def test_the_end_ends_every_stream_and_begins_no_other() -> None:
    async def story(event_hub: EventHub) -> None:
        with event_hub.subscribe(None) as stream:
            taking = asyncio.create_task(take(stream, 1))
            await asyncio.sleep(0)
            event_hub.close()
            assert await taking == []
        with event_hub.subscribe(None) as late:
            assert await take(late, 1) == []
        assert event_hub.stream_count == 0
        event_hub.publish([event(1)])
        event_hub.publish_progress(progress(1, 1))

    on_a_loop(story)


@pytest.mark.parametrize("moment", ["before the loop", "after the loop"])
def test_nobody_minds_what_is_published_without_a_loop(moment: str) -> None:
    event_hub = EventHub()
    if moment == "after the loop":

        async def story() -> None:
            event_hub.open()
            with event_hub.subscribe(None):
                pass

        asyncio.run(story())
    event_hub.publish([event(1)])
    event_hub.publish_progress(progress(1, 1))
