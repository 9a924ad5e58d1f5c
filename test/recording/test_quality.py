from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lerobot_recorder.errors import StreamError
from lerobot_recorder.recording import QualityRules, Sample, Stream, StreamSpec
from lerobot_recorder.recording.quality import StreamQuality, bad_because, slow_source
from lerobot_recorder.spool import EncodedImage

SECOND = 1_000_000_000
RULES = QualityRules(frozen_after_s=1.0)


def camera() -> StreamQuality:
    spec = StreamSpec("top", "observation.images.top", is_image=True, source="camera_topic")
    return StreamQuality(Stream(spec), 10)


def show(quality: StreamQuality, *images: tuple[float, int], size: tuple[int, int] = (48, 32)) -> None:
    """Count images, given as arrival time in seconds and brightness."""
    for at_s, value in images:
        image = np.full((size[1], size[0], 3), value, np.uint8)
        quality.note_image(Sample(int(at_s * SECOND), image), image)


def test_a_camera_that_repeats_its_image_is_frozen():
    quality = camera()
    show(quality, *((number / 10, 7) for number in range(13)))
    assert quality.figures()["repeated_images"] == 12
    assert quality.reasons(RULES) == ["top: the image did not change for 1.2 s"]
    assert quality.reasons(QualityRules(frozen_after_s=0)) == []


def test_a_camera_that_sees_something_small_move_is_not_frozen():
    quality = camera()
    for number in range(13):
        image = np.full((32, 48, 3), 7, np.uint8)
        image[2:12, 2 + number % 3] = 255
        quality.note_image(Sample(number * SECOND // 10, image), image)
    assert quality.figures()["repeated_images"] == 0
    assert quality.reasons(RULES) == []


@pytest.mark.parametrize(
    "image",
    [
        np.full((32, 48), np.nan, np.float32),
        np.zeros((64, 96, 3), np.uint8)[::2, ::2],
        EncodedImage("jpeg", b"the same", 48, 32),
    ],
)
def test_images_of_all_kinds_can_be_frozen(image):
    quality = camera()
    for number in range(13):
        again = replace(image) if isinstance(image, EncodedImage) else image[:]
        quality.note_image(Sample(number * SECOND // 10, again), again)
    assert quality.figures()["repeated_images"] == 12


def test_a_slow_camera_is_not_frozen():
    quality = camera()
    for number in range(3):
        show(quality, *[(2.0 * number, number)] * 60)
    assert quality.figures()["repeated_images"] == 0
    assert quality.reasons(RULES) == []


def test_an_image_of_another_size_is_counted_and_refused():
    quality = camera()
    show(quality, (0, 1))
    with pytest.raises(StreamError, match="top: the images on camera_topic changed from 48x32 to 24x16"):
        show(quality, (1, 2), size=(24, 16))
    assert quality.figures()["size_changes"] == 1


def test_stale_ticks_are_reported_with_the_faults_of_the_messages():
    stream = Stream(StreamSpec("state", "observation.state", ("a",), max_age_s=0.5))
    stream.fault("before the take")
    quality = StreamQuality(stream, 10)
    sample = Sample(0, np.array([1.0]))
    quality.note_tick(sample, 0.1)
    stream.fault("no joint a in the message")
    assert quality.reasons(RULES) == []
    quality.note_tick(sample, 0.7)
    assert quality.figures()["repeated_ticks"] == 1
    assert quality.figures()["faults"] == {"no joint a in the message": 1}
    assert bad_because([quality], RULES) == (
        "state: 1 of 2 ticks had no sample within 0.5 s (the oldest was 0.70 s old)",
        "state: no joint a in the message (1 time)",
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_vectors_that_are_not_finite_are_left_out_and_noted(value):
    stream = Stream(StreamSpec("state", "observation.state", ("a",)))
    quality = StreamQuality(stream, 10)
    stream.push(Sample(1, np.array([0.5])))
    stream.push(Sample(2, np.array([value])))
    assert stream.newest().stamp_ns == 1
    assert stream.status(3).trouble == "a value is NaN or infinite"
    assert quality.notes() == ["state: 1 message with NaN or infinity left out"]
    assert quality.reasons(RULES) == []


def test_kinds_of_faults_are_bounded():
    stream = Stream(StreamSpec("state", "observation.state", ("a",)))
    for number in range(1000):
        stream.fault(f"the message has {number} values")
    assert len(stream.faults()) < 30
    assert sum(stream.faults().values()) == 1000
    assert stream.status(0).trouble == "the message has 999 values"
    stream.push(Sample(0, np.array([1.0])))
    assert stream.status(0).trouble == ""


CAMERA = StreamSpec("top", "observation.images.top", is_image=True, max_age_s=5.0)
STATE = StreamSpec("state", "observation.state", ("a",))


def ticked(spec: StreamSpec, rate_hz: float, *, seconds: float = 3, fps: int = 30) -> StreamQuality:
    """Count rows of a stream with a given rate of samples."""
    quality = StreamQuality(Stream(spec), fps)
    samples: dict[int, Sample] = {}
    for row in range(round(seconds * fps)):
        number = int(row / fps * rate_hz + 1e-9)
        sample = samples.setdefault(number, Sample(int(number / rate_hz * SECOND), np.zeros(1)))
        quality.note_tick(sample, (row / fps) - number / rate_hz)
    return quality


@pytest.mark.parametrize("rate_hz", [5, 10])
def test_a_camera_that_most_rows_repeat_makes_the_episode_bad(rate_hz):
    quality = ticked(CAMERA, rate_hz)
    assert quality.notes() == []
    assert quality.reasons(RULES) == [
        f"top: only {3 * rate_hz} of 90 rows have a new image ({rate_hz}.0 a second), fps is 30; "
        "use fewer fps, or set <stream>.min_rate_hz if that is intended"
    ]


@pytest.mark.parametrize("spec", [CAMERA, STATE])
def test_a_camera_at_half_the_rate_and_a_slow_sensor_get_a_note(spec):
    quality = ticked(spec, 15)
    assert quality.reasons(RULES) == []
    (note,) = quality.notes()
    assert "only 45 of 90 rows have a new" in note


def test_the_advice_for_several_slow_streams_is_given_once():
    slow = [ticked(replace(CAMERA, name=name), 10) for name in ("top", "wrist")]
    first, last = bad_because(slow, RULES)
    assert first.endswith("fps is 30")
    assert "use fewer fps" in last
    assert len(last) <= 140  # what the screen shows of a sentence


@pytest.mark.parametrize("rate_hz", [25, 30, 100])
@pytest.mark.parametrize("spec", [CAMERA, STATE])
def test_a_stream_about_as_fast_as_the_rows_gets_no_note(spec, rate_hz):
    quality = ticked(spec, rate_hz)
    assert (quality.notes(), quality.reasons(RULES)) == ([], [])


@pytest.mark.parametrize("spec", [CAMERA, STATE])
def test_a_stream_that_is_slow_on_purpose_is_held_to_its_own_rate(spec):
    spec = replace(spec, min_rate_hz=8.0)
    for rate_hz in (8, 10):
        assert (ticked(spec, rate_hz).notes(), ticked(spec, rate_hz).reasons(RULES)) == ([], [])
    slower = ticked(spec, 5)
    assert slower.notes() == []
    assert slower.reasons(RULES)[0].endswith("(5.0 a second), min_rate_hz is 8")


def test_commands_that_hold_until_the_next_are_never_slow():
    quality = ticked(replace(STATE, max_age_s=3600.0), 0.5)
    assert (quality.notes(), quality.reasons(RULES)) == ([], [])


def test_the_rate_of_less_than_a_second_is_not_judged():
    quality = ticked(CAMERA, 5, seconds=0.9)
    assert (quality.notes(), quality.reasons(RULES)) == ([], [])


@pytest.mark.parametrize(
    ("spec", "rate_hz", "is_slow"),
    [
        (CAMERA, 5.0, True),
        (CAMERA, 15.0, True),
        (CAMERA, 29.0, False),
        (CAMERA, 0.0, False),
        (STATE, 10.0, True),
        (replace(STATE, max_age_s=3600.0), 0.1, False),
        (replace(STATE, min_rate_hz=8.0), 10.0, False),
        (replace(STATE, min_rate_hz=8.0), 5.0, True),
    ],
)
def test_a_slow_stream_is_reported_before_an_episode(spec, rate_hz, is_slow):
    assert bool(slow_source(Stream(spec), rate_hz, 30)) == is_slow


LOSSES = "top: 20 of 20 images were lost in transport; use the profile"


def test_losses_explain_a_slow_camera_before_an_episode_instead_of_advice_for_slow_cameras():
    stream = Stream(CAMERA)
    stream.remedy = "use the profile"
    stream.note_lost(20)
    assert slow_source(stream, 5.0, 30) == [LOSSES]
    assert slow_source(stream, 30.0, 30) == [LOSSES]


@pytest.mark.parametrize(("spec", "noted"), [(CAMERA, True), (STATE, False)])
def test_losses_are_noted_if_they_do_not_make_the_take_bad_and_of_vectors_only_if_they_are_slow(spec, noted):
    stream = Stream(spec)
    stream.note_lost(5)  # before the take
    quality = StreamQuality(stream, 30)
    stream.note_lost(20)
    assert bool(quality.notes()) == noted
    assert quality.reasons(RULES) == []
    assert quality.figures()["lost"] == 20


def test_a_single_lost_message_is_counted_and_not_noted():
    stream = Stream(CAMERA)
    quality = StreamQuality(stream, 30)
    stream.note_lost(1)
    assert quality.notes() == []
    assert quality.figures()["lost"] == 1


def test_an_image_that_declares_another_size_is_refused_before_it_is_decoded():
    quality = camera()
    quality.check_declared(EncodedImage("jpeg", b"the first one", 48, 32))
    quality.check_declared(EncodedImage("jpeg", b"the same size", 48, 32))
    quality.check_declared(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(StreamError, match="changed from 48x32 to 4800x3200"):
        quality.check_declared(EncodedImage("jpeg", b"huge", 4800, 3200))
