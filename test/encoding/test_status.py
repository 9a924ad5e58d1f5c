from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from takes import a_take
from vectors import record, wait_for

from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.encoding.earlier import codec_change
from lerobot_recorder.encoding.status import LISTED, WaitingEpisodes
from lerobot_recorder.errors import EpisodeStateError
from lerobot_recorder.spool import Spool
from lerobot_recorder.spool import episode as spooled
from lerobot_recorder.video import EncoderSettings


def test_the_status_lists_the_last_committed_episodes_and_counts_all(tmp_path):
    root = tmp_path / "data"
    record(root, *range(LISTED + 3))
    with BatchEncoder(root, batch_size=LISTED + 3) as encoder:
        pass
    status = encoder.status()
    assert [each.episode_index for each in status.episodes] == list(range(3, LISTED + 3))
    assert status.committed == LISTED + 3
    assert [each.episode_index for each in encoder.committed] == list(range(LISTED + 3))


def test_a_status_does_not_grow_with_the_dataset(tmp_path):
    root, sizes = tmp_path / "data", []
    for _ in range(3):
        record(root, *range(LISTED))
        with BatchEncoder(root, batch_size=LISTED) as encoder:
            pass
        sizes.append(len(json.dumps(asdict(encoder.status()))))
    assert max(sizes) - min(sizes) < 100


def test_each_waiting_episode_is_read_once(tmp_path, monkeypatch):
    read = []
    original = spooled.read_manifest
    monkeypatch.setattr(spooled, "read_manifest", lambda path: read.append(path.name) or original(path))
    spool, waiting = Spool(tmp_path / "data"), WaitingEpisodes()
    first = record(spool.root, 0, 1)
    for _ in range(3):
        waiting.look(spool)
    more = record(spool.root, 2)
    waiting.look(spool)
    assert read == [*first, *more]
    assert waiting.duration_s == pytest.approx(0.3)
    spool.delete_last()
    assert len(waiting.look(spool)) == 2
    assert waiting.duration_s == pytest.approx(0.2)


def test_a_paused_encoder_refuses_to_encode_what_waits(tmp_path):
    root = tmp_path / "data"
    record(root, 0)
    encoder = BatchEncoder(root, batch_size=5, encode_on_exit=False)
    try:
        encoder.paused = True
        with pytest.raises(EpisodeStateError, match="paused"):
            encoder.encode_pending()
        encoder.paused = False
        encoder.encode_pending()
        wait_for(lambda: encoder.status().committed == 1)
    finally:
        encoder.close()


def note_codec(root, codec):
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"]["observation.images.top"] = {
        "dtype": "video",
        "shape": [48, 64, 3],
        "names": None,
        "info": {"video.codec": codec},
    }
    path.write_text(json.dumps(info))


@pytest.mark.parametrize(
    ("before", "vcodec", "warns"),
    [
        ("av1", "libsvtav1", False),
        ("av1", "libaom-av1", False),
        ("h264", "h264_vaapi", False),
        ("av1", "h264", True),
        ("hevc", "libsvtav1", True),
        (None, "h264", False),
    ],
)
def test_a_change_of_codec_is_noticed(tmp_path, before, vcodec, warns):
    root = tmp_path / "data"
    assert codec_change(root, EncoderSettings(vcodec)) == ""
    record(root, 0)
    with BatchEncoder(root):
        pass
    assert codec_change(root, EncoderSettings(vcodec)) == ""
    note_codec(root, before)
    assert bool(codec_change(root, EncoderSettings(vcodec))) == warns


def test_a_change_of_codec_warns_once_in_the_log_and_in_the_status(tmp_path, caplog):
    root = tmp_path / "data"
    a_take(Spool(root), "raw", width=64, height=48).save()
    with BatchEncoder(root) as encoder:
        wait_for(lambda: encoder.status().committed == 1)
        assert encoder.status().warning == ""
        encoder.settings = EncoderSettings("h264")
        for number in (2, 3):
            a_take(Spool(root), "raw", width=64, height=48).save()
            wait_for(lambda number=number: encoder.status().committed == number)
    assert "the videos in the dataset are av1, new ones become h264" in encoder.status().warning
    (warning,) = [each.message for each in caplog.records if "codec" in each.message]
    assert "the videos in the dataset are av1, new ones become h264" in warning
