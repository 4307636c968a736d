"""The page of a collection in a real browser: Chromium, without a window."""

import pytest
from test_data_page import model, page  # noqa: F401
from test_report_page_browser import LAPTOP, LOWEST_CONTRAST, PHONE, browser  # noqa: F401

from denseflow.report.data.page import write_data_page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_it_opens_without_network_and_error_with_all_charts_and_fits(browser, page, tmp_path, size, scheme):  # noqa: F811
    write_data_page(page, tmp_path / "out")
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    tab = context.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
    tab.goto((tmp_path / "out" / "docs.html").as_uri())
    places = tab.locator("[data-chart]")
    for place in range(places.count()):
        places.nth(place).scroll_into_view_if_needed()
        places.nth(place).locator("svg").first.wait_for()
    assert places.count() == 11
    assert said == []
    assert tab.evaluate("document.documentElement.scrollWidth") == size[0]
    ratio, text = tab.evaluate(LOWEST_CONTRAST)
    assert ratio >= 4.5, text
    context.close()


def test_a_table_is_sorted_by_its_heading(browser, page, tmp_path):  # noqa: F811
    write_data_page(page, tmp_path / "out")
    tab = browser.new_page()
    tab.goto((tmp_path / "out" / "docs.html").as_uri())
    table = tab.locator("#judgements table").first
    table.locator("thead button", has_text="queries").click()
    assert table.locator("tbody th").all_inner_texts() == ["train", "test"]
    table.locator("thead button", has_text="queries").click()
    assert table.locator("tbody th").all_inner_texts() == ["test", "train"]
    tab.close()
