from __future__ import annotations

import json

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
    svt,
)
from lerobot_recorder.video import settings as module


def test_defaults_are_lerobots(monkeypatch):
    monkeypatch.setattr(svt, "loaded_version", lambda: (3, 1, 2))
    options = EncoderSettings().options()
    assert options == {"g": "2", "crf": "30", "preset": "12", "svtav1-params": "fast-decode=0:lp=1"}
    assert EncoderSettings().info()["video.preset"] == 12


def test_the_tag_of_h264_contains_the_threads():
    assert EncoderSettings(vcodec="h264", threads=3).options()["threads"] == "3"
    assert EncoderSettings(vcodec="h264", threads=3).tag() != EncoderSettings(vcodec="h264").tag()


@pytest.mark.parametrize(
    ("wrong", "way_out"),
    [
        ({"crf": 30.5}, "whole numbers from 1 to 63, found 30.5"),
        ({"crf": 0}, "whole numbers from 1 to 63, found 0"),
        ({"threads": 2}, "one thread per camera, found 2; leave it at 0 and set parallel_encodings"),
    ],
)
def test_values_that_svtav1_would_round_or_ignore_are_refused(wrong, way_out):
    with pytest.raises(ConfigError, match=way_out):
        EncoderSettings(**wrong)
    EncoderSettings(vcodec="h264", **wrong)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_options_for_readers_are_set_and_part_of_the_tag(codec):
    settings = EncoderSettings(vcodec=codec, extra_options={"x265-params": "aq-mode=1", "bf": 3})
    options = settings.options()
    assert {options[name] for name in ("colorspace", "color_primaries", "color_trc")} == {"smpte170m"}
    order = {"h264": ("bf", "0"), "hevc": ("x265-params", "aq-mode=1:open-gop=0:bframes=0")}[codec]
    assert options[order[0]] == order[1]
    assert json.loads(settings.tag())[order[0]] == order[1]
    assert settings.info()["video.extra_options"] == settings.extra_options
    assert "colorspace" not in depth_encoder().options()


@pytest.mark.parametrize(
    ("version", "g", "crf", "preset"),
    [
        ((3, 0, 0), 2, 30, 9),
        ((3, 1, 2), 2, 30, 13),
        ((4, 1, 0), 2, 30, 10),
        ((4, 2, 0), 2, 30, 13),
        ((4, 2, 0), 2, 63, 13),
        ((4, 2, 0), 2, None, 13),
        ((4, 2, 0), 30, 30, 9),
        ((4, 1, 0), 1, 30, 13),
        (None, 2, 30, 9),
    ],
)
def test_the_preset_is_correct_with_the_loaded_svtav1(monkeypatch, caplog, version, g, crf, preset):
    monkeypatch.setattr(svt, "loaded_version", lambda: version)
    monkeypatch.setattr(module, "_try", lambda _settings: None)  # the loaded one may refuse what others need
    module._warn_of_preset.cache_clear()
    settings = EncoderSettings(preset=13, g=g, crf=crf).resolved()
    assert (settings.preset, settings.info()["video.preset"]) == (preset, preset)
    assert f'"preset": "{preset}"' in settings.tag()
    assert ("can lose blocks with preset 13" in caplog.text) == (preset != 13)
    assert EncoderSettings(preset=4, g=g, crf=crf).resolved().preset == 4


@pytest.mark.parametrize(
    ("version", "g", "preset", "is_flat"),
    [
        ((4, 2, 0), 2, 12, True),
        ((4, 2, 0), 2, 10, False),
        ((4, 2, 0), 1, 12, False),
        ((4, 1, 0), 2, 12, False),
        (None, 2, 12, False),
    ],
)
def test_fast_presets_have_one_level_where_more_would_lose_blocks(monkeypatch, version, g, preset, is_flat):
    monkeypatch.setattr(svt, "loaded_version", lambda: version)
    settings = EncoderSettings(g=g, preset=preset)
    for text in (settings.options()["svtav1-params"], settings.tag()):
        assert ("hierarchical-levels=0" in text) == is_flat


def test_the_version_of_svtav1_is_that_of_the_loaded_library():
    version = svt.loaded_version()
    assert version is not None
    assert version >= (1, 0, 0)


def test_auto_is_a_hardware_encoder_that_works_else_svtav1(monkeypatch):
    monkeypatch.setattr(module, "_try", lambda settings: None)  # this machine need not have the hardware
    monkeypatch.setattr(module, "_works", lambda name: name in ("libsvtav1", "h264_vaapi"))
    assert EncoderSettings(vcodec="auto").resolved().vcodec == "h264_vaapi"
    monkeypatch.setattr(module, "_works", lambda name: name in ("libsvtav1", "h264"))
    assert EncoderSettings(vcodec="auto").resolved().vcodec == "libsvtav1"


def test_a_missing_encoder_is_named_with_the_existing_ones():
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
        ({"preset": 99}, "preset: expected 0 to 13, found 99"),
        ({"vcodec": "h264", "preset": "fst"}, "h264 refuses .*'preset': 'fst'"),
        ({"extra_options": {"speed": 3}}, "libsvtav1 does not know speed"),
    ],
)
def test_settings_that_the_codec_refuses_are_refused_at_once(wrong, reason):
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
def test_settings_that_hardware_does_not_have_are_refused(monkeypatch, ignored):
    monkeypatch.setattr(module, "_works", lambda name: name == ignored["vcodec"])
    with pytest.raises(ConfigError, match=f"{ignored['vcodec']} has no"):
        EncoderSettings(**ignored).resolved()


@pytest.mark.skipif("libaom-av1" not in available_encoders(), reason="this PyAV lacks the codec")
def test_options_that_a_codec_would_ignore_are_refused():
    with pytest.raises(ConfigError, match="libaom-av1 does not know preset"):
        EncoderSettings(vcodec="libaom-av1", preset=5).resolved()


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


def test_depth_in_meters_and_millimeters_gives_the_same_codes():
    metres = np.array([[0.0, 0.5, 1.0], [2.5, 9.99, 20.0]], np.float32)
    millimetres = np.round(metres * 1000).astype(np.uint16)
    assert np.array_equal(
        quantize_depth(metres, DepthSettings()), quantize_depth(millimetres, DepthSettings())
    )
    assert quantize_depth(np.array([[np.nan, np.inf]], np.float32), DepthSettings()).tolist() == [[0, 4095]]


def test_encoders_are_tried_without_threads_that_could_not_be_started(monkeypatch):
    tried, real = {}, module._context

    def context(vcodec, pix_fmt, options):
        tried[vcodec] = options
        return real(vcodec, pix_fmt, options)

    monkeypatch.setattr(module, "_context", context)
    assert module._works.__wrapped__("libsvtav1")
    assert tried == {"libsvtav1": {"svtav1-params": "lp=1"}}
