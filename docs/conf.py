"""Settings of the documentation: ``make docs`` builds it, with a page per module out of the docstrings."""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.ext import apidoc

import lerobot_recorder

ROOT = Path(__file__).resolve().parents[1]

project = "lerobot_recorder"
author = "The lerobot_recorder developers"
version = release = lerobot_recorder.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3  # links to headings, as GitHub makes them
suppress_warnings = ["ref.python"]  # a type is not linked where two modules have a class of its name
autodoc_mock_imports = ["lerobot", "tf2_py"]  # in LeRobot's own environment, and in ROS only
autodoc_default_options = {"ignore-module-all": True}  # describe a class once: where it is defined
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_use_ivar = True  # an attribute that is documented in the class is not documented twice


def setup(app: Sphinx) -> None:
    """Write the pages of the modules before they are read."""
    app.connect("builder-inited", _write_module_pages)


def _write_module_pages(app: Sphinx) -> None:
    pages = Path(app.srcdir) / "api"
    shutil.rmtree(pages, ignore_errors=True)  # with those of modules that are gone
    options = ["--force", "--separate", "--module-first", "--no-toc", "-q", "--output-dir", str(pages)]
    apidoc.main([*options, str(ROOT / "lerobot_recorder")])
