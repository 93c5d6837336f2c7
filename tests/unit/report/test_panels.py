"""Variants of a figure stand behind one choice, languages side by side."""

from lateralization.report.panels import panels_of


def entry(name, label, variant="", language="en", **more):
    fields = {"name": name, "label": label, "variant": variant, "language": language,
              "drawn": True, "title": f"Title of {name}", "caption": "Caption."}  # fmt: skip
    return fields | more


NAMES = {"en": "English", "fr": "French"}


def test_figures_of_one_label_stand_together_in_the_order_of_the_first():
    figures = [
        entry("rois", "Regions", "score"), entry("slopes", "Slopes"),
        entry("rois_ceiling", "Regions", "with reliability"),
    ]  # fmt: skip
    found = panels_of(figures, {"en": "English"})
    assert [(one["name"], one["place"], one["variant"]) for one in found] == [
        ("rois", 0, "score"), ("rois_ceiling", 1, "with reliability"), ("slopes", 2, ""),
    ]  # fmt: skip


def test_a_label_with_one_figure_needs_no_variant():
    both = [entry("a", "Skill", "whole brain"), entry("b", "Skill", "reliable", drawn=False)]
    assert [one["variant"] for one in panels_of(both, {"en": "English"})] == [""]


def test_languages_share_a_panel_and_a_caption():
    figures = [entry("a", "A"), entry("a", "A", language="fr")]
    (panel,) = panels_of(figures, NAMES)
    assert [one["language_name"] for one in panel["drawn"]] == ["English", "French"]
    assert panel["captions"] == [{"title": "Title of a", "caption": "Caption.", "language": ""}]
    (alone,) = panels_of(figures[:1], {"en": "English"})
    assert alone["drawn"][0]["language_name"] == ""


def test_what_differs_between_languages_is_told_of_each():
    figures = [entry("a", "A"), entry("a", "A", language="fr", title="Another")]
    (panel,) = panels_of(figures, NAMES)
    assert [(one["title"], one["language"]) for one in panel["captions"]] == [
        ("Title of a", ""), ("Another", "French"),
    ]  # fmt: skip


def test_a_figure_that_one_language_lacks_is_shown_of_the_other():
    figures = [entry("a", "A", drawn=False), entry("a", "A", language="fr")]
    (panel,) = panels_of(figures, NAMES)
    assert [one["language"] for one in panel["drawn"]] == ["fr"]
    assert panels_of(figures[:1], NAMES) == []
