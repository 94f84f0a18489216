"""The site (`make docs`) is built without a warning, holds every page, notebook and package, and fetches nothing."""

import re
import socket
from pathlib import Path

import pytest
from sphinx.cmd.build import build_main
from test_docs import PAGES

from autorefine_lib import provenance
from autorefine_lib.reproduce import NOTEBOOKS

ROOT = provenance.ROOT
# Of Sphinx to its extensions, not of the site.
pytestmark = pytest.mark.filterwarnings("ignore::sphinx.deprecation.RemovedInSphinx11Warning")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site. Building it fails on any warning, and where something asks for the network."""

    def refuse(*args: object) -> None:
        raise OSError(f"the site asks for the network: {args}")

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        assert build_main(["-W", "--keep-going", "-q", "-c", f"{ROOT}/docs/site", str(ROOT), str(folder)]) == 0
    return folder


def test_every_page_notebook_and_package_is_there(site: Path):
    names = [path.relative_to(ROOT).with_suffix(".html") for path in [*PAGES, *NOTEBOOKS.rglob("*.ipynb")]]
    packages = [
        path.parent.name for path in ROOT.glob("autorefine_lib/*/__init__.py") if path.parent.name != "resources"
    ]
    names += [f"docs/api/autorefine_lib.{name}.html" for name in packages]
    contents = (site / "README.html").read_text("utf-8")
    assert not [name for name in names if not (site / name).is_file()]
    assert not [name for name in names if f'href="{name}"' not in contents and name != Path("README.html")]


def test_local_links_lead_somewhere_and_nothing_is_fetched(site: Path):
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert not re.findall(r'<(?:script|img|iframe)[^>]* src="(?:https?:)?//', text), page
        assert not re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="(?:https?:)?//', text), page
        links = {link for link in re.findall(r' (?:href|src)="([^"#?]+)', text) if not re.match(r"\w+:|//", link)}
        assert not [link for link in links if not (page.parent / link).exists()], page


def test_notebooks_show_their_stored_outputs_and_functions_their_docstrings(site: Path):
    assert "cell_output" in (site / "notebooks/01_data_prep.html").read_text("utf-8")
    function = (site / "docs/api/autorefine_lib.metrics.html").read_text("utf-8")
    assert "autorefine_lib.metrics.ranking.impact_ratio" in function and "Raises" in function
