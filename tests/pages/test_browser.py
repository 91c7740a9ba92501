"""The pages in a real browser, as somebody would see them and find their way.

It needs Chromium, as of Debian's package, and what drives it (`just browser-env`).
"""

import html
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlparse

import pytest

from pipeline.pages.docs import frame_of, write_pages
from pipeline.pages.facts import Facts
from pipeline.pages.model import model
from pipeline.pages.site import write_site
from pipeline.plan.settings import load_settings
from pipeline.run.run import run

pytestmark = pytest.mark.slow

EVIL = "Cost <script>alert('x')</script> \"a\"=b & é"
WINDOWS = {390: 844, 1440: 900}
SCHEMES = {"light": "[255, 255, 255, 1]", "dark": "[18, 18, 18, 1]"}

_CONTRAST = """() => {
  const parse = text => {
    const [r, g, b, a] = text.match(/[\\d.]+/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return [r * scale, g * scale, b * scale, a === undefined ? 1 : a];
  };
  const over = (top, below) =>
    [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = c =>
    0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement)
      layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), CANVAS);
  };
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("title, script, style, .hidden, .skip")) continue;
    const style = getComputedStyle(element);
    let opacity = 1;
    for (let at = element; at; at = at.parentElement)
      opacity *= Number(getComputedStyle(at).opacity);
    const back = behind(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [r, g, b, a] = parse(ink);
    const front = over([r, g, b, a * opacity], back);
    const [dark, light] = [luminance(front), luminance(back)].sort((x, y) => x - y);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const needed = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < needed)
      faults.push(`${ratio.toFixed(2)}: ${walker.currentNode.data.slice(0, 40)}`);
  }
  return faults;
}"""
"""Texts whose contrast is below that of WCAG 2.2, 1.4.3 (AA)."""

_UNFOLD = """() =>
  document.querySelectorAll("details").forEach(d => { d.open = true; })"""

_PARTS = """() => [
  [...document.querySelectorAll("[href], [src]")].map(e => e.href ?? e.src)
    .filter(link => !link.startsWith("data:")),
  [...document.querySelectorAll("[id]")].map(e => e.id),
  ["aria-labelledby", "aria-controls", "for"].flatMap(name =>
    [...document.querySelectorAll(`[${name}]`)].map(e => e.getAttribute(name))),
  [...document.querySelectorAll("svg[role=img]")].filter(e =>
    !e.querySelector(":scope > title")?.textContent.trim()).length]"""

_WITHIN_REACH = """() => [...document.querySelectorAll(
    "a[href], button, input, select, summary, iframe, [tabindex='0']"
  )].filter(e => e.checkVisibility({visibilityProperty: true}) && !e.disabled)
    .map((e, i) => { e.dataset.nth = i; return i; })"""

_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body || e.dataset.nth === undefined) return null;
  const style = getComputedStyle(e);
  const seen = e.tagName === "IFRAME" || style.outlineStyle !== "none";
  return [Number(e.dataset.nth), seen];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium of this machine, without a window."""
    how = "`just browser-env` installs it"
    api: Any = pytest.importorskip("playwright.sync_api", reason=how)
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium here: `apt-get install chromium`")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose columns and values are called as nothing should be."""
    root = tmp_path_factory.mktemp("hostile") / "a <b> & 'c'"
    (root / "configs").mkdir(parents=True)
    quoted = EVIL.replace('"', '""')
    rows = "".join(f"{2000 + i},{i}.5,</td><img src=x>\n" for i in range(5))
    (root / "raw.csv").write_text(f'Year,"{quoted}",<i>Note\n{rows}')
    column = EVIL.replace("'", "''")
    (root / "configs" / "pipeline.yaml").write_text(
        f"""\
source: {{use: csv, path: raw.csv}}
columns: {{Year: code, '{column}': number, <i>Note: text}}
panel: {{time: Year, every: 1}}
stages:
  drop_columns: {{snapshot: all_rows, key: [Year]}}
drop_columns: {{suffixes: ["<nothing>"]}}
docs: {{samples: 3}}
"""
    )
    run(load_settings(root))
    return root


@pytest.fixture(scope="module", params=["rich", "hostile"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of the pages of a project that has all there is, or of odd names."""
    if request.param == "rich":
        facts = request.getfixturevalue("modeled")
        root = facts.root
    else:
        root = request.getfixturevalue("hostile")
    folder = tmp_path_factory.mktemp("pages") / "docs"
    write_pages(root, folder)
    return folder


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


@contextmanager
def opened(browser: Any) -> Iterator[tuple[Any, list[str]]]:
    """A tab, and what goes wrong in it: errors in the console, dialogs, lost files."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    wrong: list[str] = []
    tab.on("console", lambda m: m.type in ("error", "warning") and wrong.append(m.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("requestfailed", lambda request: wrong.append(request.url))
    tab.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    yield tab, wrong
    context.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A tab in which nothing may go wrong."""
    with opened(browser) as (tab, wrong):
        yield tab
    assert not wrong


@dataclass(frozen=True)
class Look:
    """What was seen of a page, with all that folds open."""

    links: list[str]
    ids: list[str]
    named_by: list[str]
    """Ids that something is named by, or controls."""
    n_mute: int
    """Charts without a text."""
    widths: dict[int, int]
    """Of the content, by that of the window."""
    pale: dict[str, list[str]]
    """Texts of too little contrast, by scheme."""
    wrong: list[str]


@pytest.fixture(scope="module")
def looks(browser: Any, site: Path) -> dict[str, Look]:
    """Every page, by its path."""
    found: dict[str, Look] = {}
    with opened(browser) as (tab, wrong):
        for file in files_of(site):
            path = file.relative_to(site).as_posix()
            found[path] = look_at(tab, file)
            found[path].wrong.extend(wrong)
            wrong.clear()
    return found


def look_at(tab: Any, file: Path) -> Look:
    tab.goto(file.as_uri())
    tab.evaluate(_UNFOLD)
    widths: dict[int, int] = {}
    for width, height in WINDOWS.items():
        tab.set_viewport_size({"width": width, "height": height})
        widths[width] = tab.evaluate("document.documentElement.scrollWidth")
    pale: dict[str, list[str]] = {}
    for scheme, canvas in SCHEMES.items():
        tab.emulate_media(color_scheme=scheme)
        pale[scheme] = tab.evaluate(_CONTRAST.replace("CANVAS", canvas))
    return Look(*tab.evaluate(_PARTS), widths=widths, pale=pale, wrong=[])


def test_no_page_has_an_error_in_the_console(looks: dict[str, Look]) -> None:
    assert {path: look.wrong for path, look in looks.items() if look.wrong} == {}


def test_every_link_leads_somewhere_without_a_network(
    looks: dict[str, Look], site: Path
) -> None:
    anchors = {(site / path): {"", *look.ids} for path, look in looks.items()}
    lost: list[tuple[str, str]] = []
    for here, look in looks.items():
        assert len(look.ids) == len({*look.ids}), f"{here}: an id stands twice"
        for link in look.links:
            path, anchor = urldefrag(link)
            target = Path(unquote(urlparse(path).path))
            is_file = path.startswith("file:") and target.is_file()
            is_here = is_file and target.is_relative_to(site)
            if not is_here or unquote(anchor) not in anchors.get(target, {""}):
                lost.append((here, link))
    assert not lost
    assert sum(len(look.links) for look in looks.values()) > 100


def test_what_is_drawn_or_folded_has_a_name(looks: dict[str, Look]) -> None:
    for path, look in looks.items():
        assert {*look.named_by} <= {*look.ids}, path
        assert look.n_mute == 0, path


@pytest.mark.parametrize("width", WINDOWS)
def test_nothing_is_wider_than_the_window(looks: dict[str, Look], width: int) -> None:
    widths = {path: look.widths[width] for path, look in looks.items()}
    assert {path: found for path, found in widths.items() if found > width} == {}


def test_a_model_that_was_refused_fits_a_phone(
    unpromoted: Facts, page: Any, tmp_path: Path
) -> None:
    write_site([*model(unpromoted)], frame_of(unpromoted), tmp_path)
    widths = look_at(page, tmp_path / "model.html").widths
    assert all(found <= width for width, found in widths.items())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_all_text_has_the_contrast_of_wcag_aa(
    looks: dict[str, Look], scheme: str
) -> None:
    pale = {path: look.pale[scheme] for path, look in looks.items()}
    assert {path: found for path, found in pale.items() if found} == {}


def test_a_column_is_found_in_three_keys_and_opened(page: Any, site: Path) -> None:
    is_hostile = (site / "snapshots" / "all_rows.html").exists()
    keys, column = ("scr", EVIL) if is_hostile else ("lag", "mean_cost_lag1")
    for start in (
        "index.html",
        f"snapshots/{'all_rows' if is_hostile else 'drgs'}.html",
    ):
        page.goto((site / start).as_uri())
        page.keyboard.press("/")
        page.keyboard.type(keys)
        names = page.locator("#found [role=option]").all_inner_texts()
        [nth, *_] = [i for i, text in enumerate(names) if column in text]
        for _ in range(nth):
            page.keyboard.press("ArrowDown")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert column in page.locator("main").inner_text()


def test_the_first_three_letters_find_a_column(page: Any, site: Path) -> None:
    page.goto((site / "columns.html").as_uri())
    names = {*page.locator("main th[scope=row] a.name").all_inner_texts()}
    assert len(names) > 1
    for name in names:
        page.locator("#search").fill(name[:3])
        assert name in page.locator("#found .name").all_inner_texts()


def test_the_keyboard_alone_reaches_everything(page: Any, site: Path) -> None:
    names = ["index.html", "plan.html", "columns.html", "model.html", "quality.html"]
    names += [
        str(next(site.glob(f"{folder}/*.html")).relative_to(site))
        for folder in ("stages", "snapshots")
    ]
    for name in names:
        page.goto((site / name).as_uri())
        there = page.evaluate(_WITHIN_REACH)
        reached, unseen = set[int](), []
        for _ in range(len(there) + 10):
            page.keyboard.press("Tab")
            focused = page.evaluate(_FOCUSED)
            if focused:
                reached.add(focused[0])
                unseen += [] if focused[1] else [focused[0]]
        assert reached == {*there}, name
        assert not unseen, f"{name}: where the focus is cannot be seen"


def test_the_first_key_skips_to_the_content(page: Any, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.tagName") == "MAIN"


def test_pages_print_dark_on_white(page: Any, site: Path) -> None:
    for name in ("index.html", "plan.html", "model.html"):
        page.emulate_media(color_scheme="dark")
        page.goto((site / name).as_uri())
        assert len(page.pdf()) > 5_000
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator("main").bounding_box()["height"] > 100
        assert page.evaluate(_CONTRAST.replace("CANVAS", "[255, 255, 255, 1]")) == []


def test_without_javascript_all_is_linked(browser: Any, site: Path) -> None:
    waiting, seen = [site / "index.html"], set[Path]()
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            written = re.findall(r'(?:href|src)="([^"]+)"', here.read_text())
            ways = [unquote(urldefrag(html.unescape(way))[0]) for way in written]
            found = [(here.parent / way).resolve() for way in ways]
            waiting += [path for path in found if path.suffix == ".html"]
    assert seen == {*files_of(site)}
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((site / "index.html").as_uri())
    assert not tab.locator("#search").is_visible()
    assert tab.locator("nav a").first.is_visible()
    context.close()


def test_hostile_names_stay_text(page: Any, hostile: Path, tmp_path: Path) -> None:
    write_pages(hostile, tmp_path / "docs")
    titles = []
    for file in files_of(tmp_path / "docs"):
        page.goto(file.as_uri())
        titles.append(page.locator("h1").first.inner_text())
        assert page.evaluate("() => document.scripts.length") == 2
        assert page.locator("main img, main i, main b").count() == 0
        assert page.locator(".project").inner_text() == hostile.name
    assert any(EVIL in title for title in titles)
