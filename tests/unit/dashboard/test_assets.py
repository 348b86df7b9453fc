"""The page's files, read as text: what a browser is needed for is in tests/integration."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from wayra_db.dashboard.server import _ASSETS, _ONWARD

FOLDER = Path(str(files("wayra_db.dashboard"))) / "assets"
SCRIPTS = sorted(FOLDER.glob("*.js"))
VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """The elements of a page, and that they are nested as they should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It ends where it may."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Scripts and styles are files of their own: the policy allows no others."""
        assert not data.strip() or self.open[-1] not in ("script", "style")


PAGE = Page((FOLDER / "index.html").read_text(encoding="utf-8"))


def test_every_file_is_served_and_nothing_else() -> None:
    """No file is forgotten in the table, and no name in it leads nowhere."""
    assert {name for name, _ in _ASSETS.values()} == {path.name for path in FOLDER.iterdir()}
    named = {attributes.get("src") or attributes.get("href") for tag, attributes in PAGE.found if tag != "a"} - {None}
    assert named <= set(_ASSETS)
    for script in SCRIPTS:
        for module in re.findall(r'from "\./(.+?)"', script.read_text(encoding="utf-8")):
            assert f"/{module}" in _ASSETS


def test_the_page_is_well_formed() -> None:
    """Each element is closed, ids are unique, headings and labels name what is there."""
    assert PAGE.open == []
    ids = [attributes["id"] for _, attributes in PAGE.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in PAGE.found:
        assert not any(name == "style" or name.startswith("on") for name in attributes)
        assert attributes.get("aria-labelledby", ids[0]) in ids
    assert ("html", {"lang": "en"}) in PAGE.found
    assert [attributes["href"] for tag, attributes in PAGE.found if tag == "a"] == ["#main"]


def test_each_panel_has_its_part() -> None:
    """What the script draws into is on the page, with the same part, and the other way round."""
    script = (FOLDER / "panels.js").read_text(encoding="utf-8")
    table = script.partition("export const PANELS = {")[2]
    drawn = {
        (panel.strip(), part)
        for part, panels in re.findall(r"^  (\w+): \{(.+?)\}", table, re.MULTILINE)
        for panel in panels.split(",")
    }
    shown = {(attributes["id"], attributes["data-part"]) for tag, attributes in PAGE.found if "data-part" in attributes}
    assert drawn == shown
    assert len(drawn) == 11


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_other_host_is_named(path: Path) -> None:
    """And nothing is made markup that came as data."""
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import|url\(", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)


def test_each_colour_is_for_light_and_for_dark() -> None:
    """And each that is used is one of them, or a bar's or a line's own."""
    css = (FOLDER / "style.css").read_text(encoding="utf-8")
    root = re.findall(r":root \{([^}]*)\}", css)[0]
    colours = dict(re.findall(r"(--[\w-]+): ([^;]+);", root))
    assert all(value.startswith("light-dark(") for value in colours.values())
    assert set(re.findall(r"var\((--[\w-]+)", css)) - {"--color", "--swatch"} == set(colours)


def test_the_way_to_the_page_is_a_page() -> None:
    """It leads on without the token in the address."""
    onward = Page(_ONWARD.decode())
    assert ("meta", {"http-equiv": "refresh", "content": "0;url=/"}) in onward.found


@pytest.mark.skipif(not shutil.which("node"), reason="a browser's own engine is not there to parse with")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_javascript(script: Path, tmp_path: Path) -> None:
    """As modules, which is how the page loads them."""
    copy = tmp_path / f"{script.stem}.mjs"
    copy.write_bytes(script.read_bytes())
    checked = subprocess.run(["node", "--check", str(copy)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
