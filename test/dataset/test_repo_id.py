from __future__ import annotations

import pytest

from lerobot_recorder.dataset.place import check_repo_id
from lerobot_recorder.errors import ConfigError


@pytest.mark.parametrize("name", ["me/pick_cube", "local/demo", "pick.cube-2", "a", "0/1", "me/" + "x" * 96])
def test_names_that_the_hub_accepts_are_accepted(name):
    check_repo_id(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("https://huggingface.co/datasets/me/pick", "it is a URL"),
        ("../x", "letters, digits"),
        ("me/..", "letters, digits"),
        ("/home/me/data", "more than one /"),
        ("me/pick the cube", "letters, digits"),
        ("me/Würfel", "letters, digits"),
        ("me/pick--cube", "must not contain --"),
        ("me/pick..cube", "must not contain -- or .."),
        ("-me/pick", "letters, digits"),
        ("me/pick-", "letters, digits"),
        ("me/pick.", "letters, digits"),
        ("me/", "letters, digits"),
        ("me/pick.git", "must not end in .git"),
        ("me/" + "x" * 97, "more than 96 characters"),
        ("me/pick\n", "letters, digits"),
        ("", "letters, digits"),
    ],
)
def test_names_that_the_hub_refuses_are_refused_with_the_reason(name, why):
    with pytest.raises(ConfigError, match="repo_id: expected user/name") as refusal:
        check_repo_id(name)
    assert why in str(refusal.value)
