from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.excerpt import counted, excerpt, first_sentences, listing, tallied


def test_short_texts_do_not_change():
    assert excerpt("a short text") == "a short text"
    assert listing(["one", 2, "three"]) == "one, 2, three"
    assert listing([]) == ""


def test_a_long_text_keeps_its_start_and_end():
    text = excerpt("a" * 5000 + "the end", 60)
    assert text.startswith("a" * 40)
    assert text.endswith("the end")
    assert len(text) < 70


def test_a_long_sentence_is_shortened_between_words():
    sentence = "wrist: only 12 of 30 rows have a new image, the camera sends less than it was asked for"
    words = sentence.split()
    for longest in range(30, len(sentence)):
        short = excerpt(sentence, longest)
        start, end = short.split(" ... ")
        assert {*start.split(), *end.split()} <= {*words}
        assert sentence.startswith(start)
        assert sentence.endswith(end)
        assert longest // 2 < len(short) <= longest + 5


def test_a_sentence_that_ends_with_a_long_word_loses_its_end():
    sentence = f"10 of 800 images were lost in transport; start the node with PROFILES={'/fastdds' * 9}.xml"
    assert excerpt(sentence, 80) == "10 of 800 images were lost in transport; start the node with ..."


def test_of_many_sentences_whole_ones_are_kept_and_the_others_counted():
    sentences = ["state: too old", "top: the same picture for 2.0 s", "wrist: only 12 of 30 rows"]
    assert first_sentences(sentences, 140) == "; ".join(sentences)
    assert first_sentences(sentences, 50) == "state: too old; top: the same picture for 2.0 s; and 1 more"
    assert first_sentences(sentences, 15) == "state: too old; and 2 more"
    assert first_sentences(["a" * 50], 20).startswith("aaaaaaaaaaaaa ... ")
    assert first_sentences([], 20) == ""


def test_a_long_list_counts_the_names_that_it_omits():
    assert listing([f"joint_{number}" for number in range(100_000)], 2) == "joint_0, joint_1 and 99998 more"


def test_nouns_and_verbs_follow_the_number():
    assert counted(1, "episode", "wait") == "1 episode waits"
    assert counted(0, "episode", "wait") == "0 episodes wait"
    assert counted(2, "frame") == "2 frames"
    assert tallied({"no joint a": 1, "too late": 2}) == ["no joint a (1 time)", "too late (2 times)"]


@given(st.lists(st.text(max_size=400), max_size=50))
def test_a_list_never_makes_a_long_text(names):
    assert len(listing(names)) < 1000
