"""What the page makes of the nodes' answers."""

from __future__ import annotations

import pytest

from lerobot_recorder.dashboard.wording import in_words, is_set, names

ID = "20261128T174401.275311Z-fd96"
OTHER = "20261128T174501.000000Z-0a0b"
SPOOL = "/tmp/pick up/.data.spool"


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (f"saved episode {ID} of 113 frames", "saved episode 3 of 113 frames"),
        (f"recording episode {OTHER}", "recording episode 4"),
        (f"episode {ID} is rejected: top: 3 gaps", "the take is set aside: top: 3 gaps"),
        (
            f"discarded episode {OTHER} of 9 frames; undo_delete brings it back",
            "discarded the episode of 9 frames; “Bring back” brings it back",
        ),
        (
            f"deleted episode 7 ({OTHER}), which was in the dataset; undo_delete brings it back",
            "deleted episode 7, which was in the dataset; “Bring back” brings it back",
        ),
        (
            f"brought back episode {ID}: it is in ready/",
            "brought back episode 3: it is waiting for the encoder",
        ),
        (
            f"there is no episode that could be taken back in {SPOOL}",
            "there is no episode that could be taken back",
        ),
        (
            f"there is no episode that could be taken back: episode {ID} is in {SPOOL}/failed",
            "there is no episode that could be taken back: episode 3 is in the list, marked as failed",
        ),
        (
            f"the take {OTHER} was interrupted after 3.1 s; it is in rejected/, and accept_episode, or "
            f"lerobot-recorder accept {SPOOL}, keeps it",
            "the take was interrupted after 3.1 s; it is set aside, and “Accept” keeps it",
        ),
        ("encoding 2 waiting episodes", "encoding 2 waiting episodes"),
    ],
)
def test_an_answer_has_numbers_and_buttons_as_on_the_screen(answer, shown):
    assert in_words(answer, {ID: "episode 3"}, 4) == shown


def test_episodes_have_the_numbers_of_the_statuses():
    recorder = {"episode_id": OTHER, "episode_index": 4, "last": {"episode_id": ID, "episode_index": None}}
    encoder = {"episodes": [{"episode_id": "older", "episode_index": 2}]}
    assert names(recorder, encoder) == {OTHER: "episode 4", ID: "the take", "older": "episode 2"}
    assert names({"episode_id": "", "last": None}, {}) == {}


def test_a_changed_parameter_is_described():
    assert is_set("paused", False) == "encoding continues"
    assert is_set("video_encoding_batch_size", 1) == "encodes 1 episode at a time"
    assert is_set("task", "Lift it") == "next task: Lift it"
