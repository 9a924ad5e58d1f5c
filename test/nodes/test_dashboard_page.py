"""The dashboard in a browser, headless Chromium, with real nodes: what an operator sees and clicks.

``DASHBOARD_IMAGES=docs/images`` also makes the pictures of the documents, with the simulated arm.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("starlette")
sync_api = pytest.importorskip("playwright.sync_api")

from numbered import KEY, number_in, picture, spread  # noqa: E402

from lerobot_recorder.dataset import RecordedEpisode, load_info  # noqa: E402
from lerobot_recorder.shipped import shipped_config  # noqa: E402
from lerobot_recorder.spool import Spool  # noqa: E402
from lerobot_recorder.video import read_frames  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IMAGES = os.environ.get("DASHBOARD_IMAGES", "")
TOKEN = "correct-horse-battery"
TIMEOUT_MS = 60_000
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

READ_VIDEO = """video => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth || video.naturalWidth;
    canvas.height = video.videoHeight || video.naturalHeight;
    const pen = canvas.getContext("2d");
    pen.drawImage(video, 0, 0);
    const data = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    return [canvas.height, canvas.width, [...data].filter((_, index) => index % 4 === 1)];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def address(graph, process) -> str:
    """Wait until a dashboard runs; return where."""
    said = "the dashboard is at "
    found = graph.wait(lambda: [line for line in process.last_lines if said in line])
    return found[0].partition(said)[2].split()[0]


class Station:
    """Recorder and encoder of a robot whose images carry numbers, and dashboards."""

    def __init__(self, graph, robot, root: Path) -> None:
        self.graph, self.root = graph, root
        robot.image = lambda number: picture(spread(number + 1))
        graph.start("recorder", robot.recorder_parameters(root))
        graph.start("encoder", {"root": str(root)})
        self.process, self.url = self.serve()

    def serve(self, port: int = 0, **parameters: object):
        process = self.graph.start("dashboard", {"root": str(self.root), "port": port, **parameters})
        found = self.graph.wait(
            lambda: [line for line in process.last_lines if "the dashboard is at" in line]
        )
        return process, found[0].partition("the dashboard is at ")[2].split()[0]

    def numbers(self, episode: int, rows: list[int]) -> list[int]:
        """Return what a decoder that counts frames finds in the video."""
        path, frames = RecordedEpisode(self.root, episode).video_frames(KEY, rows)
        return [number_in(image) for image in read_frames(path, frames)]


@pytest.fixture(scope="module")
def station(shared_graph, shared_robot, tmp_path_factory) -> Station:
    return Station(shared_graph, shared_robot, tmp_path_factory.mktemp("dashboard") / "data")


@pytest.fixture
def open_page(browser, station):
    contexts = []

    def opened(url: str = "", **options: object):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(url or station.url)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page):
    page = open_page()
    wait_for_word(page, "Ready")
    return page


def wait_for_word(page, word: str) -> None:
    page.locator("#word", has_text=word).wait_for()


def wait_until(page, condition) -> None:
    """Look again and again; the page's own rules forbid that Playwright does so in the page."""
    for _ in range(TIMEOUT_MS // 50):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen")


def recorded_s(page) -> int:
    return int(page.locator("#clock").inner_text().split()[0])


def start(page) -> None:
    """Start an episode; a busy computer may refuse the first click because a stream is late."""

    def is_recording() -> bool:
        if page.locator("#word").inner_text() == "Recording":
            return True
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_timeout(1000)
        return False

    wait_until(page, is_recording)


def record(page, seconds: float = 1.0) -> str:
    """Record an episode by clicking; return its identifier."""
    verdict = page.locator("#verdict")
    before = verdict.get_attribute("data-id")
    start(page)
    wait_until(page, lambda: recorded_s(page) >= seconds)
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#answer", has_text=re.compile(r"saved episode \d+ of")).wait_for()
    wait_for_word(page, "Ready")
    wait_until(page, lambda: verdict.get_attribute("data-id") != before)
    return verdict.get_attribute("data-id")


def entry(page, episode_id: str, state: str = "dataset"):
    found = page.locator(f"#episodes li[data-id='{episode_id}'][data-state={state}]")
    found.wait_for()
    return found


def play(page, episode_id: str, state: str = "dataset") -> None:
    entry(page, episode_id, state).get_by_role("button").click()
    page.locator("#player [data-row='0']").first.wait_for()


def number_at(page, row: int) -> int:
    """Move the scrubber, and read the number in the picture that is shown then."""
    page.get_by_role("slider").evaluate(
        "(slider, row) => { slider.value = row; slider.dispatchEvent(new Event('input')); }", row
    )
    shown = page.locator(f"#player [data-row='{row}']")
    shown.wait_for()
    height, width, values = shown.evaluate(READ_VIDEO)
    return number_in(np.array(values, np.uint8).reshape(height, width))


def close_player(page) -> None:
    page.get_by_role("button", name="Close").click()


def number_of(station: Station, episode_id: str) -> int:
    count = load_info(station.root).total_episodes
    ids = [RecordedEpisode(station.root, number).recording["episode_id"] for number in range(count)]
    return ids.index(episode_id)


def test_cameras_and_joints_are_live_before_the_first_take(page):
    camera = page.locator("figure[data-camera='robot/camera']")
    camera.and_(page.locator(":not(.stale)")).wait_for()
    before = int(camera.get_attribute("data-pictures"))
    wait_until(page, lambda: int(camera.get_attribute("data-pictures")) > before + 3)
    page.locator("#curves .legend", has_text="one_joint").wait_for()
    page.locator("#streams tr", has_text="top").wait_for()
    page.locator("#diagnostics li", has_text="recorder").first.wait_for()


def test_an_episode_is_recorded_by_clicking_and_played_with_the_right_pictures(page, station):
    episode_id = record(page)
    page.locator("#verdict[data-verdict=good]").wait_for()
    play(page, episode_id)
    assert page.locator("#player video").count() == 1
    number = number_of(station, episode_id)
    length = RecordedEpisode(station.root, number).length
    rows = [*range(0, length, 3), length - 1, 1, length - 2]
    expected = station.numbers(number, rows)
    assert len(set(expected)) > len(set(rows)) / 2  # on a busy machine, rows repeat pictures
    assert [number_at(page, row) for row in rows] == expected
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Play").wait_for()  # it has reached the end
    close_player(page)


def test_an_episode_that_is_not_encoded_is_played_from_the_spool(page, station):
    page.get_by_role("button", name="Pause encoding").click()
    page.get_by_role("button", name="Resume encoding").wait_for()
    episode_id = record(page)
    play(page, episode_id, "ready")
    assert page.locator("#player video").count() == 0
    rows = [0, 7, 19]
    images = Spool(station.root).find(episode_id).images("observation.images.top")
    expected = [number_in(cv2.cvtColor(images.frame(row), cv2.COLOR_YUV2RGB_I420)) for row in rows]
    assert [number_at(page, row) for row in rows] == expected
    page.locator("#player", has_text="can be trimmed as soon as it is encoded").wait_for()
    page.get_by_label("Task", exact=True).last.fill("Lift it")
    page.get_by_role("button", name="Relabel").click()
    entry(page, episode_id, "ready").filter(has_text="Lift it").wait_for()
    close_player(page)
    page.get_by_role("button", name="Larger batches").click()
    page.locator("#batch", has_text="2").wait_for()
    page.get_by_role("button", name="Smaller batches").click()
    page.get_by_role("button", name="Resume encoding").click()
    entry(page, episode_id)
    assert RecordedEpisode(station.root, number_of(station, episode_id)).task == "Lift it"


def test_an_episode_is_relabelled_trimmed_deleted_and_brought_back(page, station):
    _other, episode_id = record(page), record(page)
    play(page, episode_id)
    page.get_by_label("Task", exact=True).last.fill("Place it")
    page.get_by_role("button", name="Relabel").click()
    entry(page, episode_id).filter(has_text="Place it").wait_for()
    kept = number_at(page, 10)
    page.get_by_label("Playback").get_by_role("button", name="Failure").click()
    entry(page, episode_id).filter(has_text="failure").wait_for()
    page.get_by_role("button", name="Start here").click()
    page.get_by_role("button", name="Trim").click()
    page.locator("#yes").click()
    page.locator("#answer", has_text="trimmed episode").wait_for()
    page.locator("#player [data-row='0']").wait_for()
    assert number_at(page, 0) == kept
    page.get_by_label("Playback").get_by_role("button", name="Delete").click()
    page.locator("#yes").click()
    entries = page.locator(f"#episodes li[data-id='{episode_id}']")
    entries.wait_for(state="detached")
    page.get_by_role("button", name="Undo: delete").click()
    entry(page, episode_id).filter(has_text="Place it").wait_for()
    assert RecordedEpisode(station.root, number_of(station, episode_id)).task == "Place it"


def test_a_take_is_discarded_only_after_a_question(page, station):
    start(page)
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("button", name="Cancel").click()
    wait_for_word(page, "Recording")
    page.get_by_role("button", name="Discard").click()
    page.locator("#yes").click()
    wait_for_word(page, "Ready")
    page.locator("#answer", has_text="discarded").wait_for()


def test_a_lost_connection_is_shown_and_restored(open_page, station):
    process, url = station.serve()
    page = open_page(url)
    wait_for_word(page, "Ready")
    start = page.get_by_role("button", name="Start", exact=True)
    start.click(trial=True)  # the recorder's services are found
    process.end(grace_s=20)
    page.locator("#lost", has_text="connection is lost").wait_for()
    start.click()
    page.locator("#answer", has_text="nothing was done").wait_for()
    station.serve(int(url.rstrip("/").rpartition(":")[2]))
    page.locator("#lost").wait_for(state="hidden")
    page.locator("figure:not(.stale)").first.wait_for()


def test_a_phone_shows_everything_without_scrolling_sideways(open_page):
    page = open_page(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark"
    )
    wait_for_word(page, "Ready")
    page.locator("figure:not(.stale)").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    start = page.get_by_role("button", name="Start", exact=True)
    box = start.bounding_box()
    assert box["height"] >= 64
    assert box["y"] + box["height"] < 844  # reached by the thumb, without scrolling
    heights = page.locator("#actions button:visible").evaluate_all(
        "all => all.map(each => each.offsetHeight)"
    )
    assert min(heights) >= 48
    start.tap()
    wait_for_word(page, "Recording")
    page.get_by_role("button", name="Discard").tap()
    page.locator("#yes").tap()
    wait_for_word(page, "Ready")


def test_without_the_token_a_browser_gets_nothing(open_page, station):
    _, url = station.serve(token=TOKEN)
    page = open_page(url)
    assert page.locator("img, video, script").count() == 0
    page.locator("input[name=token]").fill("wrong-wrong-wrong-wrong")
    page.get_by_role("button", name="Open").click()
    page.get_by_text("That is not the token").wait_for()
    page.locator("input[name=token]").fill(TOKEN)
    page.get_by_role("button", name="Open").click()
    wait_for_word(page, "Ready")
    scanned = open_page(f"{url}login?token={TOKEN}")
    wait_for_word(scanned, "Ready")
    assert TOKEN not in scanned.url


@pytest.mark.skipif(not IMAGES, reason="DASHBOARD_IMAGES names no folder for pictures")
def test_pictures_for_the_documents(graph, browser, tmp_path):
    """Make pictures of the page, with two simulated cameras."""
    config = str(shipped_config("so100_sim.yaml"))
    root = str(tmp_path / "pick_cube")
    streams = {f"{name}.topic": f"cameras/{name}/image_raw" for name in ("top", "wrist")}
    units = {"state.calibration": "sim", "action.calibration": "sim", "action.role": "leader"}
    recorder = {"root": root, **streams, **units}
    arguments = [word for name, value in recorder.items() for word in ("-p", f"{name}:={value}")]
    streams_all = ["-p", "streams:=[state, action, top, wrist]"]
    sides = {"width": 320, "height": 240}
    sizes = [f"{camera}.{side}:={pixels}" for camera in ("top", "wrist") for side, pixels in sides.items()]
    small = [word for size in sizes for word in ("-p", size)]
    graph.run("hardware", ["--ros-args", "--params-file", config, *small])
    graph.run("recorder", ["--ros-args", "--params-file", config, *arguments, *streams_all])
    graph.run("encoder", ["--ros-args", "--params-file", config, "-p", f"root:={root}"])
    dashboard = graph.start("dashboard", {"root": root, "port": 0})
    url = address(graph, dashboard)
    folder = Path(IMAGES)
    folder.mkdir(parents=True, exist_ok=True)
    desktop = browser.new_page(viewport={"width": 1280, "height": 1150})
    phone = browser.new_page(**PHONE)
    desktop.set_default_timeout(TIMEOUT_MS)
    phone.set_default_timeout(TIMEOUT_MS)
    desktop.goto(url)
    wait_for_word(desktop, "Ready")
    ids = [record(desktop, 4) for _ in range(3)]
    for episode_id in ids:
        entry(desktop, episode_id)
    desktop.get_by_role("button", name="Success").first.click()
    desktop.locator("#episodes .tag", has_text="success").wait_for()
    start(desktop)
    phone.goto(url)
    wait_for_word(phone, "Recording")
    wait_until(phone, lambda: recorded_s(phone) >= 12)
    save_picture(desktop, folder / "dashboard.png")
    save_picture(phone, folder / "dashboard_phone.png")
    desktop.get_by_role("button", name="Save", exact=True).click()
    wait_for_word(desktop, "Ready")
    play(desktop, ids[1])
    number = desktop.get_by_role("slider")
    number.evaluate("slider => { slider.value = 70; slider.dispatchEvent(new Event('input')); }")
    desktop.locator("#player figure:nth-child(2) [data-row='70']").wait_for()
    save_picture(desktop, folder / "dashboard_playback.png")


def save_picture(page, path: Path) -> None:
    """Save what is visible with few colors, so that the file is small."""
    pixels = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(path), pixels & 0xF8 | 4, [cv2.IMWRITE_PNG_COMPRESSION, 9])
