"""The page of an experiment in a real browser: Chromium, without a window."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_results import NASTY, QUERIES, PageResults

from denseflow.files import write_json
from denseflow.manifest import write_manifest
from denseflow.report.page.write import write_page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of requirements-dev.lock")

LAPTOP, PHONE = (1280, 800), (390, 844)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

LOWEST_CONTRAST = """() => {
  const light = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    const linear = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return a === 0 ? null : 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = light(getComputedStyle(at).backgroundColor);
      if (found !== null) return found;
    }
  };
  let lowest = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest("script, style")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(element.closest("svg") ? style.fill : style.color), behind(element)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < lowest[0]) lowest = [ratio, text];
  }
  return lowest;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator:
    if CHROMIUM is None:
        pytest.skip("needs a Chromium (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """With two machines, and with a page on the collection."""
    folder = tmp_path_factory.mktemp("page")
    made = PageResults(folder)
    for name, processor in (("dataset/tiny", NASTY), ("train/tuned.seed0", "A processor with a rather long name")):
        facts = {"processor": processor, "hardware threads": "8", "memory": "16 GiB", "GPUs": "none", "Python": "3.12"}
        write_json(made.results / "logs" / f"{name}.machine.json", facts)
    serious = {
        "found": f"5 queries of test have a near-twin in train {NASTY}",
        "advice": "look at them",
        "serious": True,
    }
    content = {"passages": {"count": 60}, "splits": {"test": {"queries": QUERIES}}, "cautions": [serious]}
    data = made.sources.report.parent / "data"
    write_json(data / "tiny.json", content)
    write_manifest(data, "report", ["tiny.json"], name="tiny.manifest.json")
    write_page(made.sources, folder / "report.html")
    return folder / "report.html"


@pytest.fixture
def open_page(browser, file) -> Iterator:
    """Opens the page in a window of a size; whatever it writes to the console or asks of the network fails the test."""
    contexts, said = [], []

    def opened(size=LAPTOP, scheme="light"):
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


def read_through(page) -> None:
    """Scroll to the end, and open all that is closed, so that every chart is drawn."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for place in range(0, page.evaluate("document.documentElement.scrollHeight"), 700):
        page.evaluate(f"scrollTo({{top: {place}, behavior: 'instant'}})")
        page.wait_for_timeout(30)
    page.wait_for_function(
        "[...document.querySelectorAll('[data-chart], #q-chart')].every((one) => one.querySelector('svg'))"
    )


def column(page, table: str, number: int) -> list[str]:
    return page.locator(f'[aria-label="{table}"] tbody tr > :nth-child({number})').all_inner_texts()


@pytest.mark.parametrize("size", [LAPTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_a_word_fits_the_screen_and_can_be_read(open_page, size, scheme):
    page = open_page(size, scheme)
    read_through(page)
    page.locator("#q-list button").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    ratio, text = page.evaluate(LOWEST_CONTRAST)
    assert ratio >= 4.5, text


def test_texts_are_shown_as_they_are_and_run_nothing(open_page):
    page = open_page()
    assert page.evaluate("window.broken") is None
    assert NASTY.replace("\u2028", " ") in page.locator(".lead").inner_text().replace("\u2028", " ")
    item = page.locator('#q-list > li[data-query="q0"]')
    item.locator("button").click()
    shown = " ".join(item.locator(".full").inner_text().split())
    assert shown == " ".join(NASTY.split())
    assert page.locator("b, main script").count() == 0


def test_a_heading_sorts_its_table_up_and_down_by_its_numbers_by_mouse_and_by_keyboard(open_page):
    page = open_page()
    table = "Scores, tiny, test: 40 queries"
    assert [name.strip() for name in column(page, table, 1)] == ["bm25", "before", "after"]
    heading = page.locator(f'[aria-label="{table}"] th').nth(1)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert [name.strip() for name in column(page, table, 1)] == ["after", "bm25", "before"]
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [name.strip() for name in column(page, table, 1)] == ["before", "bm25", "after"]
    page.locator(f'[aria-label="{table}"] th').first.locator("button").click()
    assert heading.get_attribute("aria-sort") is None
    assert [name.strip() for name in column(page, table, 1)] == ["after", "before", "bm25"]


def test_cells_without_a_number_come_last_whichever_way_a_table_is_sorted(open_page):
    page = open_page()
    button = page.locator('[aria-label="Steps"] th').nth(2).locator("button")
    for _ in range(2):
        button.click()
        assert column(page, "Steps", 3)[-1] == "\N{EN DASH}"
        assert column(page, "Steps", 3)[0] in ("2 min 00 s", "1.0 s")


def test_a_box_filters_a_table_by_all_its_words(open_page):
    page = open_page()
    page.get_by_label("Filter steps").fill("tuned SEED1 encode")
    shown = page.locator('[aria-label="Steps"] tbody tr:visible th').all_inner_texts()
    assert [text.split("\n")[0] for text in shown] == [
        "tiny · tuned · seed1 · corpus",
        "tiny · tuned · seed1 · queries.test",
    ]
    assert "2 of 18" in page.locator("#steps").inner_text()


def test_a_query_opens_on_its_relevant_passages_and_both_rankings(open_page):
    page = open_page()
    item = page.locator("#q-list > li").nth(1)
    button = item.locator("> button")
    assert item.locator(".delta").inner_text() == "+0.7500"
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    assert item.locator("h4").all_inner_texts() == ["Relevant passages", "First ten of before", "First ten of after"]
    number = item.get_attribute("data-query").removeprefix("q")
    assert item.locator(".passages").first.inner_text().split("\n")[1].startswith(f"Title {number} rank 4 → 1")
    before, after = (item.locator(".sides .passages").nth(side).locator("> li") for side in (0, 1))
    assert "relevant" in after.nth(0).inner_text()
    assert "↑3" in after.nth(0).inner_text()
    assert "↓3" in before.nth(3).inner_text()
    after.nth(0).locator("summary").click()
    assert f"Text of {number}." in after.nth(0).locator("p").inner_text()
    button.press("Enter")
    assert item.locator(".detail").count() == 0


def test_the_list_of_queries_follows_what_is_compared_searched_and_ordered(open_page):
    page = open_page()
    assert "20 queries gained, 10 lost, 10 stayed" in page.locator("#q-said").inner_text()
    page.locator("#q-from").select_option("bm25")
    assert "20 queries gained, 20 lost, 0 stayed" in page.locator("#q-said").inner_text()
    page.locator("#q-order").select_option("lost")
    assert page.locator("#q-list .delta").first.inner_text().startswith("\N{MINUS SIGN}0.3889")
    page.locator("#q-search").fill("number 1")
    assert page.locator("#q-list > li").count() == 13
    assert page.locator("#q-count").inner_text() == f"13 of {QUERIES} queries"
    page.locator("#q-search").fill("")
    assert page.locator("#q-list > li").count() == 25
    page.locator("#q-more").click()
    assert page.locator("#q-list > li").count() == QUERIES
    assert not page.locator("#q-more").is_visible()


def test_a_place_in_the_picture_of_differences_opens_its_query(open_page):
    page = open_page()
    page.locator("#q-chart").scroll_into_view_if_needed()
    page.wait_for_function("views.has(document.getElementById('q-chart'))")
    picture = page.locator("#q-chart svg")
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] - 8, "y": 40})
    opened = page.locator('#q-list > li:has(> button[aria-expanded="true"])')
    assert opened.count() == 1
    assert opened.locator(".delta").inner_text() == "\N{MINUS SIGN}0.1389"


def test_a_chosen_step_lights_what_it_was_made_from_and_what_was_made_from_it(open_page):
    page = open_page()
    page.get_by_role("button", name="train tuned · seed0").click()
    lit = {text.split("\n")[1] for text in page.locator(".step.lit").all_inner_texts()}
    assert {"tiny", "base · pretrained", "tiny.train · mined", "tiny · tuned · seed0 · corpus", "demo"} <= lit
    assert not {"tuned · seed1", "tiny · index-en"} & lit
    assert "train tuned · seed0: whole, 1 min 40 s, 500 MB, seed 0" in page.locator("#graph-said").inner_text()
    assert page.locator("#graph path.lit").count() > 3


def test_the_colours_can_be_chosen_whatever_the_device_has(open_page):
    page = open_page(scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    page.locator('[data-chart="chart0"] svg').wait_for()
    ink = "getComputedStyle(document.querySelector('[data-chart=chart0] .mark-text text')).fill"
    dark = page.evaluate(background), page.evaluate(ink)
    page.locator("#scheme").click()
    assert page.locator("#scheme").inner_text() == "Light"
    page.wait_for_function(f"{ink} !== '{dark[1]}'")
    assert page.evaluate(background) == "rgb(255, 255, 255)" != dark[0]
    page.locator("#scheme").click()
    page.wait_for_function(f"{ink} === '{dark[1]}'")


def test_searches_of_vectors_and_sets_of_sentences_are_shown_where_there_are_any(open_page):
    page = open_page()
    dash = "\N{EN DASH}"
    rows = page.locator('[aria-label="Searches of vectors"] tbody tr').all_inner_texts()
    assert [" ".join(row.split()) for row in rows] == [
        f"before exact 8 960 B 16 {dash} {dash} {dash}",
        "after seed1 hnsw 8 2.0 kB 32.5 0.9877 12,346 2,346",
    ]
    assert page.locator('[aria-label="Similarity of sentences"] tbody tr').count() == 12


def test_the_page_is_one_file_that_names_no_other(file):
    text = file.read_text(encoding="utf-8")
    page = text.partition("<script>")[0]
    assert 'src="' not in page
    assert '<link rel="icon" href="data:,">' in page
    assert text.count("<link") == 1
    assert file.stat().st_size < 1_500_000


def test_the_page_has_what_speaks_against_the_collection_and_both_machines(open_page):
    page = open_page()
    data = page.locator("#data")
    assert data.get_by_role("link", name="tiny").get_attribute("href") == "data/tiny.html"
    assert NASTY.replace("\u2028", " ")[:20] in data.inner_text()
    machines = page.locator("#provenance").get_by_role("region", name="Machines")
    assert machines.locator("tbody tr").count() == 2
    assert "A processor with a rather long name" in machines.inner_text()
