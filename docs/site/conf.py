"""Settings of the site: `make docs` builds it from the pages, the notebooks and the docstrings where they lie.

The source folder is the root of the repository, so a link between two files is the same here and on the hosting site.
Nothing is executed but the import of the library for its docstrings, and nothing is fetched.
"""

import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# The packages in the order of the data flow, and the modules beside them.
LAYERS = SETTINGS["tool"]["importlinter"]["contracts"][0]["layers"]
PACKAGES = [name for layer in reversed(LAYERS) for name in re.findall(r"\w+", layer) if name != "resources"]
PAGES = re.findall(r"\]\((\w+)\.md\)", (ROOT / "docs/README.md").read_text("utf-8"))

project = html_title = "AutoRefine"
version = release = SETTINGS["project"]["version"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "docs/api/*.rst", "env/*.md", "notebooks/**.ipynb"]
include_patterns += ["reports/*.md", "reports/*/README.md", "autorefine_lib/resources/*/README.md"]
exclude_patterns = ["docs/api/modules.rst"]
extensions = ["myst_nb", "sphinx.ext.apidoc", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

nb_execution_mode = "off"
myst_heading_anchors = 3
apidoc_modules = [{"path": "../../autorefine_lib", "destination": "docs/api"}]
apidoc_module_first, apidoc_max_depth = True, 1
toc_object_entries = False
autodoc_member_order = "bysource"
default_role = "py:obj"
html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
# The root page is README.html; whoever opens the folder is led there.
html_additional_pages = {"index": "to_readme.html"}
templates_path = ["."]


def add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Add the table of contents to the root page: the README itself holds no markup of the site."""
    if name != root_doc:
        return
    contents = {
        "Pages": ["docs/README", *(f"docs/{page}" for page in PAGES)],
        "Notebooks": sorted(name for name in app.env.found_docs if re.match(r"notebooks/\w+$", name)),
        "Exercises": sorted(name for name in app.env.found_docs if name.startswith("notebooks/exercises/")),
        "Library": ["docs/api/autorefine_lib", *(f"docs/api/autorefine_lib.{name}" for name in PACKAGES)],
        "More": ["CONTRIBUTING", "CHANGELOG", "env/README"],
        "Reports": sorted(name for name in app.env.found_docs if name.startswith(("reports/", "autorefine_lib/"))),
    }
    for caption, names in contents.items():
        known = "\n".join(name for name in names if name in app.env.found_docs)
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:titlesonly:\n:caption: {caption}\n\n{known}\n```\n"


def escape_prose(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Docstrings are sentences with `code` in them: outside of code, |x| and x_ mean nothing special."""
    parts = re.split("(`[^`]*`)", "\n".join(lines))
    parts[::2] = [re.sub(r"(\||(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
    lines[:] = "".join(parts).split("\n")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", escape_prose, priority=400)  # before napoleon reads the sections
