"""The page in headless Chromium, with a real server and the statuses of nodes that do not exist."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("segno")
sync_api = pytest.importorskip("playwright.sync_api")

from dashboards import ServedDashboard  # noqa: E402
from numbered import make_dataset  # noqa: E402

from lerobot_recorder.encoding import EncoderStatus  # noqa: E402
from lerobot_recorder.recording import LastEpisode, RecorderStatus  # noqa: E402
from lerobot_recorder.status import to_json  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TIMEOUT_MS = 60_000
ACTIONS = ["start_episode", "delete_last_episode", "discard_episode", "undo_delete"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("dashboard") / "data", "h264")


@pytest.fixture
def served(root) -> Iterator[ServedDashboard]:
    with ServedDashboard(root) as served:
        put(served, recorder=recorder(saved(3)), encoder=EncoderStatus(), actions=ACTIONS, silent=[])
        yield served


@pytest.fixture
def page(browser, served):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"http://{served.host}/")
    page.locator("#word", has_text="Ready").wait_for()
    yield page
    page.close()


def saved(number: int, state: str = "ready") -> LastEpisode:
    name = f"2026112{number}T174401.275311Z-fd96"
    return LastEpisode(episode_id=name, episode_index=number, state=state, duration_s=4.2, verdict="good")


def recorder(last: LastEpisode | None, episode_index: int = 4) -> RecorderStatus:
    return RecorderStatus(state="idle", episode_index=episode_index, last=last)


def put(served: ServedDashboard, **states: Any) -> None:
    for name, value in states.items():
        served.live.put(name, value if isinstance(value, list) else to_json(value))
    served.live.notify()


def test_a_deletion_is_refused_if_another_episode_is_the_last_one_by_now(page, served):
    page.get_by_role("button", name="Delete last").click()
    assert page.locator("#question").inner_text() == "Delete episode 3, 4.2 s?"
    put(served, recorder=recorder(saved(4)))
    page.locator("#verdict", has_text="episode 4").wait_for()
    page.locator("#yes").click()
    page.locator("#answer.failed", has_text="nothing was deleted").wait_for()
    assert served.station.asked == []


@pytest.mark.parametrize(
    ("last", "refusal"),
    [(None, "No last episode of this recorder"), (saved(3, "deleted"), "deleted already: “Bring back”")],
)
def test_a_deletion_that_is_not_possible_asks_no_question(page, served, last, refusal):
    put(served, recorder=recorder(last, episode_index=9))
    page.locator("#about", has_text="episode 9").wait_for()
    page.get_by_role("button", name="Delete last").click()
    page.locator("#answer.failed", has_text=refusal).wait_for()
    assert served.station.asked == []


def test_a_node_that_does_not_answer_is_shown_in_large_letters(page, served):
    put(served, silent=["encoder"])
    page.locator("#problems", has_text="The encoder does not answer").wait_for()
    page.locator("#encoder.problem", has_text="does not answer").wait_for()
    put(served, silent=["encoder", "recorder"])
    page.locator("#state[data-state=missing] #word", has_text="No answer").wait_for()
    put(served, silent=[])
    page.locator("#state[data-state=idle] #word", has_text="Ready").wait_for()


def test_without_a_connection_the_page_is_not_ready(page, served):
    served.live.close()
    page.locator("#state[data-state=missing] #word", has_text="No connection").wait_for()


def test_a_trim_that_would_leave_nothing_is_refused_with_the_reason(page):
    page.locator("#episodes li[data-ref='0'] button").click()
    page.get_by_role("button", name="Trim").click()
    page.get_by_text("The whole episode is kept").wait_for()
    page.get_by_role("button", name="End here").click()
    page.get_by_role("button", name="frame ▸").click()
    page.get_by_role("button", name="Start here").click()
    page.get_by_role("button", name="Trim").click()
    page.get_by_text("The start is not before the end (0.").wait_for()
