"""What an app's messages take of the dashboard's memory."""

from federation.apps.happenings import Content, Header
from federation.apps.poll_signal import Signal
from federation.apps.traffic import MAX_HELD_BYTES, AppTraffic


def test_objects_have_room_until_the_app_fetches_its_answers() -> None:
    traffic = AppTraffic(7, lambda _: Content(), Signal())
    half = MAX_HELD_BYTES // 2
    traffic.stored(Header("asked", "train", "1", 5, ""), {"weights"})
    traffic.object_stored("weights", half)
    assert traffic.has_room_for(half - 1) and not traffic.is_full
    traffic.stored(Header("reply", "train", "1", 5, "asked"), {"update"})
    traffic.object_stored("update", half)
    assert traffic.is_full and not traffic.has_room_for(1)
    traffic.forget(["asked"])
    assert traffic.has_room_for(MAX_HELD_BYTES - 1)


def test_an_answer_to_nothing_and_the_end_of_the_run_free_what_was_held() -> None:
    traffic = AppTraffic(7, lambda _: Content(), Signal())
    traffic.stored(Header("reply", "train", "1", 5, "unknown"), {"update"})
    traffic.object_stored("update", MAX_HELD_BYTES)
    assert not traffic.is_full
    traffic.stored(Header("asked", "train", "1", 5, ""), {"weights"})
    traffic.object_stored("weights", MAX_HELD_BYTES)
    assert traffic.is_full
    traffic.close()
    assert not traffic.is_full
