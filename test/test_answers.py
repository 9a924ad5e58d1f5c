from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.answers import OFFERS, Answer, with_offer
from lerobot_recorder.cli.controls import HELP, OFFER_KEYS
from lerobot_recorder.dashboard import ACTIONS, OFFER_BUTTONS

ID = "20261128T174401.275311Z-fd96"


def test_an_answer_names_the_service_and_the_episode_in_lines_of_their_own():
    answer = Answer(True, "deleted episode 3", "undo_delete", ID)
    assert answer.text == f"deleted episode 3\nepisode_id: {ID}\nundo_delete: brings it back"
    assert Answer(False, "nothing to save").text == "nothing to save"


@given(st.text(), st.sampled_from(["", *OFFERS]), st.sampled_from(["", ID]))
def test_an_answer_is_read_as_it_was_sent_on_one_line(message, offer, episode_id):
    sent = Answer(True, message, offer, episode_id)
    received = Answer.from_text(True, sent.text)
    assert received == Answer(True, " ".join(message.splitlines()), offer, episode_id)


def test_lines_of_later_versions_are_ignored():
    assert Answer.from_text(True, "saved\nframes: 30\nepisode_id: a") == Answer(True, "saved", "", "a")


@pytest.mark.parametrize("service", OFFERS)
def test_what_is_offered_is_a_key_a_button_or_else_the_service(service):
    assert any(OFFER_KEYS[service] in keys.split() for keys in HELP)
    for names in (OFFER_KEYS, OFFER_BUTTONS):
        assert with_offer("it is gone", service, names) == f"it is gone; {names[service]} {OFFERS[service]}"
    assert with_offer("it is gone", service, {}) == f"it is gone; {service} {OFFERS[service]}"
    assert service in ACTIONS
    assert with_offer("it is gone", "", OFFER_KEYS) == "it is gone"
