from __future__ import annotations

import numpy as np
import pytest

from lerobot_recorder.errors import ConfigError, EncoderUnavailableError
from lerobot_recorder.video import (
    DepthSettings,
    EncoderSettings,
    available_encoders,
    depth_encoder,
    encode,
    probe,
    quantize_depth,
)
from lerobot_recorder.video import settings as module


def test_defaults_are_lerobots():
    options = EncoderSettings().options()
    assert options == {"g": "2", "crf": "30", "preset": "12", "svtav1-params": "fast-decode=0"}
    assert EncoderSettings().info()["video.preset"] == 12


def test_threads_are_given_but_not_part_of_what_decides_the_bits_of_av1():
    assert EncoderSettings(threads=3).options()["svtav1-params"] == "fast-decode=0:lp=3"
    assert EncoderSettings(threads=3).tag() == EncoderSettings().tag()
    assert EncoderSettings(vcodec="h264", threads=3).tag() != EncoderSettings(vcodec="h264").tag()


def test_auto_is_a_hardware_encoder_that_works_else_svtav1(monkeypatch):
    monkeypatch.setattr(module, "_try", lambda settings: None)  # this machine need not have the hardware
    monkeypatch.setattr(module, "available_encoders", lambda: ("libsvtav1", "h264_vaapi"))
    assert EncoderSettings(vcodec="auto").resolved().vcodec == "h264_vaapi"
    monkeypatch.setattr(module, "available_encoders", lambda: ("libsvtav1", "h264"))
    assert EncoderSettings(vcodec="auto").resolved().vcodec == "libsvtav1"


def test_a_missing_encoder_is_named_with_those_that_are_there():
    missing = next(name for name in module.ENCODERS if name not in available_encoders())
    with pytest.raises(EncoderUnavailableError, match=f"{missing}; it has .*libsvtav1"):
        EncoderSettings(vcodec=missing).resolved()


@pytest.mark.parametrize(
    "wrong",
    [{"vcodec": "mpeg2"}, {"g": 0}, {"crf": 64}, {"vcodec": "h264", "crf": 52}, {"threads": -1}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        EncoderSettings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"pix_fmt": "yuv444p"}, "libsvtav1 has only yuv420p, yuv420p10le"),
        ({"preset": 99}, "libsvtav1 refuses .*'preset': '99'"),
        ({"vcodec": "h264", "preset": "fst"}, "h264 refuses .*'preset': 'fst'"),
        ({"extra_options": {"speed": 3}}, "libsvtav1 does not know speed"),
    ],
)
def test_what_the_codec_refuses_is_refused_before_it_encodes(wrong, reason):
    with pytest.raises(ConfigError, match=reason):
        EncoderSettings(**wrong).resolved()


@pytest.mark.parametrize(
    "ignored",
    [
        {"vcodec": "h264_nvenc", "threads": 2},
        {"vcodec": "h264_vaapi", "preset": 5},
        {"vcodec": "h264_qsv", "fast_decode": 1},
    ],
)
def test_what_hardware_has_nothing_for_is_refused(monkeypatch, ignored):
    monkeypatch.setattr(module, "available_encoders", lambda: (ignored["vcodec"],))
    with pytest.raises(ConfigError, match=f"{ignored['vcodec']} has no"):
        EncoderSettings(**ignored).resolved()


@pytest.mark.skipif("libaom-av1" not in available_encoders(), reason="this PyAV lacks the codec")
def test_what_a_codec_would_ignore_is_refused():
    with pytest.raises(ConfigError, match="libaom-av1 does not know preset"):
        EncoderSettings(vcodec="libaom-av1", preset=5).resolved()


def test_one_core_is_enough_where_the_bits_stay_the_same():
    assert EncoderSettings().on_one_core().threads == 1
    assert EncoderSettings(threads=4).on_one_core().threads == 4
    assert EncoderSettings(vcodec="h264").on_one_core().threads == 0


def test_depth_survives_within_half_a_step(tmp_path):
    depth = np.linspace(10, 10_000, 64 * 48).reshape(48, 64).astype(np.uint16)
    codes = quantize_depth(depth, DepthSettings())
    log = np.log(np.array([10, 10_000], float) + 3500)
    restored = np.exp(codes / 4095 * (log[1] - log[0]) + log[0]) - 3500
    assert np.abs(restored - depth).max() <= 2.2
    count = encode(
        [depth] * 3,
        tmp_path / "d.mp4",
        fps=30,
        width=64,
        height=48,
        settings=depth_encoder(),
        depth=DepthSettings(),
    )
    assert count == probe(tmp_path / "d.mp4").frames == 3
    assert probe(tmp_path / "d.mp4").pix_fmt == "gray12le"


def test_depth_in_metres_and_millimetres_gives_the_same_codes():
    metres = np.array([[0.0, 0.5, 1.0], [2.5, 9.99, 20.0]], np.float32)
    millimetres = np.round(metres * 1000).astype(np.uint16)
    assert np.array_equal(
        quantize_depth(metres, DepthSettings()), quantize_depth(millimetres, DepthSettings())
    )
    assert quantize_depth(np.array([[np.nan, np.inf]], np.float32), DepthSettings()).tolist() == [[0, 4095]]
