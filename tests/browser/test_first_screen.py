"""The first screen answers, the page is short, and a choice of figures needs no script."""

import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from helpers.browsing import WIDTHS, landed, opened_anew

pytestmark = pytest.mark.browser


def test_the_answer_is_on_the_first_screen(browser):
    """On a telephone the question and the sentence; else the chips, the figure and the facts."""
    parts = ["h1", ".answer"]
    if browser.kind != "telephone":
        parts += [".chips", ".first svg.drawing", ".facts"]
    browser.execute_script("scrollTo({top: 0, behavior: 'instant'})")
    for part in parts:
        one = browser.find_element(By.CSS_SELECTOR, part)
        place = browser.execute_script("return arguments[0].getBoundingClientRect().bottom", one)
        assert place < browser.execute_script("return innerHeight"), part


def test_the_page_has_at_most_ten_screens(browser, page):
    if browser.kind == "telephone":
        pytest.skip("a telephone's screens are small")
    opened_anew(browser, page.as_uri())
    tall = browser.execute_script("return document.documentElement.scrollHeight")
    assert tall <= 10 * WIDTHS["desk"][1]


def test_every_chip_leads_to_its_place(browser, page):
    opened_anew(browser, page.as_uri())
    places = browser.execute_script(
        "return [...document.querySelectorAll('a.chip')].map(one => one.hash.slice(1))"
    )
    assert len(places) >= 9
    for name in dict.fromkeys(places):
        opened_anew(browser, page.as_uri())
        chip = browser.find_element(By.CSS_SELECTOR, f".chip[href='#{name}']")
        browser.execute_script("arguments[0].click()", chip)
        assert landed(browser, name), name


SHOWN = """return [...document.getElementById(arguments[0]).querySelectorAll('.panel')]
    .map((one, place) => one.getBoundingClientRect().height > 40 ? place : -1)
    .filter(place => place >= 0)"""
"""Places of the figures of a section that can be seen."""


def without_script(page):
    """Return the page as a browser without JavaScript has it."""
    text = page.read_text(encoding="utf-8")
    bare = page.with_name("bare.html")
    bare.write_text(re.sub(r"(?s)<script>.*</script>", "", text), encoding="utf-8")
    return bare


def test_a_choice_shows_its_figure_and_no_other_even_without_a_script(browser, page):
    opened_anew(browser, without_script(page).as_uri())
    choosers = browser.find_elements(By.CSS_SELECTOR, ".chooser")
    assert len(choosers) >= 5
    for chooser in choosers:
        radios = chooser.find_elements(By.CSS_SELECTOR, "input[type=radio]")
        section = chooser.get_attribute("id")
        assert browser.execute_script(SHOWN, section) == [0]
        for place, radio in enumerate(radios):
            browser.execute_script("arguments[0].click()", radio)
            assert browser.execute_script(SHOWN, section) == [place], (section, place)


def test_figures_are_chosen_by_keyboard(browser, page):
    opened_anew(browser, page.as_uri())
    first = browser.find_element(By.CSS_SELECTOR, "#figures-hemispheres input:checked")
    first.send_keys(Keys.ARROW_RIGHT)
    assert browser.execute_script(SHOWN, "figures-hemispheres") == [1]
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.execute_script(SHOWN, "figures-hemispheres") == [2]
    outline = browser.execute_script(
        "return getComputedStyle(document.activeElement.nextElementSibling).outlineStyle"
    )
    assert outline == "solid"


def test_on_paper_all_figures_are_there(browser, page):
    opened_anew(browser, page.as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        n = len(browser.find_elements(By.CSS_SELECTOR, "#figures-hemispheres .panel"))
        shown = browser.execute_script(SHOWN, "figures-hemispheres")
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert shown == list(range(n))
