from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from lerobot_recorder.launching import OPTIONS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_parameters", DOCS / "parameters.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(generator):
    assert generator.PAGE.read_text() == generator.page(), "run make docs-parameters"


def test_the_table_of_lerobots_flags_is_up_to_date(generator):
    assert generator.FLAGS_PAGE.read_text() == generator.flags_page(), "run make docs-parameters"


def test_every_parameter_has_a_text_without_its_full_stop(generator):
    described = [*OPTIONS.values(), *(each for *_, table in generator.TABLES for each in table)]
    assert not [each.name for each in described if not each.text or each.text.endswith(".")]


def test_every_default_is_allowed(generator):
    for *_, table in generator.TABLES:
        for each in table:
            assert each.check(each.default) == each.default
