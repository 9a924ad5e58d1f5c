"""Who gets something from the dashboard, and who gets nothing; asked of a real server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("segno")

from dashboards import ServedDashboard
from numbered import KEY, make_dataset

from lerobot_recorder.dashboard import DashboardSettings, Server
from lerobot_recorder.dashboard.access import Access, WrongTokens
from lerobot_recorder.errors import ConfigError

TOKEN = "correct-horse-battery"
PATHS = (
    "/",
    "/static/main.js",
    "/live",
    "/episodes",
    "/episodes/0",
    "/episodes/0/thumbnail",
    f"/episodes/0/picture/{KEY}/3",
    f"/episodes/0/video/{KEY}",
    "/preflight",
    "/preflight/picture",
    "/nothing/here",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("dashboard") / "data", "h264")


@pytest.fixture
def open_page(root):
    with ServedDashboard(root) as served:
        yield served


@pytest.fixture
def guarded(root):
    with ServedDashboard(root, TOKEN) as served:
        yield served


def login(served: ServedDashboard, token: str = TOKEN) -> str:
    return served.get(f"/login?token={token}").cookie


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_shown(guarded, path):
    refused = guarded.get(path)
    assert refused.status == 401
    assert b"<form" in refused.body
    assert len(refused.body) < 600
    assert guarded.get(path, cookie=f"{guarded.access.cookie}=guess").status == 401


def test_without_the_token_nothing_is_done(guarded):
    assert guarded.post("/actions/start_episode").status == 401
    assert guarded.post("/edits", {"edit": "delete", "ref": "0"}).status == 401
    assert guarded.station.asked == []


def test_the_token_opens_everything_until_the_dashboard_ends(guarded, root):
    cookie = login(guarded)
    assert guarded.get("/episodes/0/thumbnail", cookie=cookie).body.startswith(b"\xff\xd8")
    assert guarded.post("/actions/start_episode", cookie=cookie).json()["success"]
    with ServedDashboard(root, TOKEN) as other:
        assert other.get("/", cookie=cookie).status == 401


def test_the_session_is_kept_from_scripts_and_other_sites(guarded):
    opened = guarded.get(f"/login?token={TOKEN}")
    attributes = {each.strip().lower() for each in opened.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict"} <= attributes
    assert TOKEN not in opened.headers["set-cookie"]
    assert opened.status == 200  # a redirect would lose the cookie after a link of another site
    assert opened.headers["referrer-policy"] == "same-origin"


def test_the_token_can_be_typed(guarded):
    assert guarded.post("/login", f"token={TOKEN}").cookie == login(guarded)
    assert guarded.post("/login", "token=wrong-wrong-wrong-wrong").status == 401


def test_after_some_wrong_tokens_the_right_one_is_refused_too(guarded):
    cookie = login(guarded)
    wrong = [guarded.get(f"/login?token=wrong{number}").status for number in range(5)]
    assert wrong == [401] * 5
    refused = guarded.get(f"/login?token={TOKEN}")
    assert refused.status == 429
    assert not refused.cookie
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert guarded.get("/", cookie=cookie).status == 200  # those who are in stay in


def test_wrong_tokens_are_forgotten_after_a_minute_and_counted_by_address():
    now = [0.0]
    wrong = WrongTokens(lambda: now[0])
    for _ in range(5):
        wrong.note("10.0.0.1")
    assert wrong.wait_s("10.0.0.1") == 60
    assert wrong.wait_s("10.0.0.2") == 0
    now[0] = 61.0
    assert wrong.wait_s("10.0.0.1") == 0


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "localhost.evil.example", ""])
def test_a_name_that_is_not_ours_is_refused(open_page, host):
    assert open_page.get("/", Host=host.format(port=open_page.server.port)).status == 421


@pytest.mark.parametrize(
    "host", ["localhost:1", "127.0.0.1", "[::1]:8090", "192.168.1.5:8090", "Robot.LAN:80"]
)
def test_addresses_and_names_of_this_computer_are_accepted(root, host):
    with ServedDashboard(root, hosts=("robot.lan",)) as served:
        assert served.get("/", Host=host).status == 200
        assert served.get("/", Host=socket.gethostname()).status == 200


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:1"])
def test_another_site_can_do_nothing(open_page, origin):
    headers = {} if origin is None else {"Origin": origin}
    assert open_page.ask("POST", "/actions/start_episode", "{}", headers).status == 403
    assert open_page.station.asked == []


def test_another_site_can_show_nothing(open_page):
    foreign = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}
    assert open_page.get("/episodes/0/thumbnail", **foreign).status == 403
    shown = open_page.get("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert shown.status == 200
    assert shown.headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]


def test_the_page_loads_nothing_from_elsewhere(open_page):
    policy = open_page.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy


def test_large_requests_are_refused(open_page):
    assert open_page.post("/edits", "x" * 20_000).status == 413
    connection = open_page.connect()
    headers = {"Origin": f"http://{open_page.host}"}
    connection.request("POST", "/edits", iter([b"x" * 10_000] * 4), headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert open_page.get("/" + "x" * 3000).status == 414


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/__init__.py",
        "//etc/passwd",
        "/episodes/..%2f..%2f..%2fetc%2fpasswd",
        "/episodes/../../meta/info.json",
        "/episodes/0/video/..%2f..%2fmeta%2finfo.json",
        f"/episodes/0/video/{KEY}%2f..%2f..",
        "/episodes/99/thumbnail",
        "/episodes/-1",
        f"/episodes/0/picture/{KEY}/25",
        "/episodes/0/picture/observation.state/0",
    ],
)
def test_paths_outside_the_dataset_are_not_served(open_page, path):
    answer = open_page.get(path)
    assert answer.status == 404
    assert b"root:" not in answer.body


def test_a_link_out_of_the_dataset_is_not_followed(tmp_path):
    root = make_dataset(tmp_path / "data", "h264")
    (video,) = (root / "videos" / KEY).rglob("*.mp4")
    outside = tmp_path / "outside.mp4"
    video.rename(outside)
    video.symlink_to(outside)
    with ServedDashboard(root) as served:
        refused = served.get(f"/episodes/0/video/{KEY}")
    assert refused.status == 404
    assert "leads out of the dataset" in refused.json()["message"]


def test_other_requests_than_json_are_refused_with_a_sentence(open_page):
    assert "JSON" in open_page.post("/edits", "[1").json()["message"]
    assert "JSON" in open_page.post("/edits", "[1]").json()["message"]
    assert "true or false" in open_page.post("/actions/pause", {"value": "yes"}).json()["message"]
    assert (
        "expected int"
        in open_page.post("/controls/video_encoding_batch_size", {"value": 1.5}).json()["message"]
    )
    assert open_page.post("/controls/root", {"value": "/"}).status == 404
    assert open_page.post("/actions/shutdown").status == 404
    assert open_page.ask("PUT", "/edits", "{}", {"Origin": f"http://{open_page.host}"}).status == 405
    assert open_page.station.asked == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_episodes", 2**63), ("num_episodes", -(2**63) - 1), ("task", "\ud800"), ("task", "a\0b")],
)
def test_a_value_that_no_parameter_can_hold_is_refused_before_a_node_is_asked(open_page, name, value):
    assert open_page.post(f"/controls/{name}", {"value": value}).status == 400
    assert open_page.station.asked == []


def test_an_address_that_cannot_be_used_is_refused_with_what_to_do():
    with pytest.raises(ConfigError, match="address: expected an IP address"):
        DashboardSettings(address="robot.local")
    with pytest.raises(ConfigError, match="at least 16 characters, found 5"):
        DashboardSettings(token="short")
    first = Server("127.0.0.1", 0)
    with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1, port .* set its parameters"):
        Server("127.0.0.1", first.port)
    first.close()


@pytest.mark.parametrize(
    ("address", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("192.168.1.5", False)],
)
def test_only_addresses_of_this_computer_need_no_token(address, is_local):
    assert DashboardSettings(address=address).is_local == is_local


def test_tokens_are_compared_as_a_whole():
    access = Access(TOKEN, 8090)
    assert access.is_token(TOKEN)
    assert not access.is_token(TOKEN[:-1])
    assert not access.is_token("tökén")
    assert not Access("", 8090).is_token("")
