"""The report says what the tables hold, safely, whatever the run has."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from helpers.made_plans import made_baseline, made_language, made_model, made_plan, made_subject
from helpers.made_runs import MadeRun, write_run
from lateralization import wording
from lateralization.encoding.methods import describe_encoding
from lateralization.errors import BadInput
from lateralization.figures.figures import draw_all
from lateralization.files import read_json, write_json, write_table
from lateralization.fmri.methods import describe_preprocessing
from lateralization.language_models.methods import describe_models
from lateralization.report.methods import CITATIONS, paragraphs
from lateralization.report.report import write_report
from lateralization.report.tables import MAX_ROWS, linked, one_table
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import read_tables
from lateralization.tables.registry.tables import TABLES

TEMPLATE = Path(__file__).parents[3] / "assets" / "report.html.j2"
SIX = {f"model-{place}": 10.0**place for place in range(6, 12)}
HOSTILE = "<script>alert(1)</script>\"'&"


class Reader(HTMLParser):
    """Collects tags and text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def make(folder, run=None, figures=True):
    inputs = write_run(folder / "in", run)
    lateralize(inputs, folder / "tables")
    if figures:
        draw_all(folder / "tables", folder / "figures")
    else:
        (folder / "figures").mkdir(parents=True)
        (folder / "figures" / "figures.json").write_text("[]")
    said = write_report(
        inputs.plan, folder / "tables", folder / "figures", TEMPLATE, folder / "report.html",
        run={"nextflow": "25.10"},
    )  # fmt: skip
    page = (folder / "report.html").read_text(encoding="utf-8")
    return Reader(page), page, said, read_json(folder / "report.json")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    run = MadeRun(
        models={"tiny": 1e6, HOSTILE: 1e7, "medium": 1e8, "large": 1e9, "huge": 3e9, "vast": 1e10},
        missing=("medium",), left_out=2, truth=True,
        notes=("the annotation is <b>not</b> the published one",),
    )  # fmt: skip
    return *make(folder, run), folder


@pytest.mark.slow
def test_the_first_sentence_has_effect_interval_and_what_it_counts(full):
    reader, _, said, _, folder = full
    row = read_tables(folder / "tables")["claim"].iloc[0]
    low, high = (2.302585092994046 * row[f"slope_{end}"] for end in ("low", "high"))
    digits = wording.digits_within(low, high)
    assert wording.signed(2.302585092994046 * row["slope"], digits) in said
    assert wording.interval(low, high, digits) in said
    assert f"over {row['n_models']} models" in said
    assert f"{row['n_runs']} runs together" in said
    assert "this average brain" in said
    assert reader.text.index(re.sub(r"\s+", " ", said)) < reader.text.rindex("How far to trust it")


@pytest.mark.slow
def test_the_order_is_answer_trust_sections_methods_parameters_versions(full):
    reader, *_ = full
    ids = [attributes["id"] for _, attributes in reader.tags if attributes.get("id")]
    order = ["answer", "trust", "published", "hemispheres", "size", "training", "score",
             "trajectories", "specifications", "layers", "brain", "regions", "people",
             "methods", "used", "parameters", "versions", "cost", "glossary"]  # fmt: skip
    assert [name for name in ids if name in order] == order
    links = [attributes for attributes in reader.all("a") if attributes["href"].startswith("#")]
    chips = [one["href"][1:] for one in links if one.get("class", "").startswith("chip")]
    others = [one["href"] for one in links if not one.get("class", "").startswith("chip")]
    assert others == ["#answer"] + [f"#{name}" for name in order]
    assert len(chips) >= 9
    assert set(chips) <= {*ids, "not-tested"}


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(full):
    reader, page, *_ = full
    for tag, attributes in reader.tags:
        for name in ("src", "href", "action", "data"):
            value = attributes.get(name)
            if value is not None and tag != "a":  # a link is followed when it is clicked
                assert value.startswith(("data:", "#")), (tag, value)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert len(page) < 25e6


@pytest.mark.slow
def test_hostile_names_are_text(full):
    reader, page, *_ = full
    assert "<script>alert" not in page
    assert len(reader.all("script")) == 1
    assert HOSTILE in reader.text
    assert "the annotation is <b>not</b> the published one" in reader.text
    assert not reader.all("b")


@pytest.mark.slow
def test_failures_left_out_voxels_and_the_planted_truth_are_said(full):
    reader, page, *_ = full
    assert "1 fit failed and is missing from every number here: medium (average, en)" in reader.text
    assert 'class="failed"' in page
    assert re.search(r"2 voxels of [\d,]+ left out .*constant in run 3", reader.text)
    assert "The planted rise of left minus right is recovered" in reader.text
    assert "Simulated data" in reader.text


@pytest.mark.slow
def test_with_the_average_alone_nothing_is_inferred_about_people(full):
    assert "nothing is inferred about people" in full[0].text


@pytest.mark.slow
def test_every_picture_has_an_alternative_text_and_a_caption(full):
    reader, _, _, report, _ = full
    images = [one["alt"] for one in reader.all("img") if one["src"].startswith("data:image/")]
    images += [one["aria-label"] for one in reader.all("svg") if one["class"] == "drawing"]
    assert all(images)
    figures = [one for s in report["sections"] for one in s["figures"]] + report["trust"]["figures"]
    figures += report["panels"][0]["drawn"]
    drawn = [one for one in figures if one["drawn"] and not one["interactive"]]
    assert len(images) == len(drawn)
    for figure in drawn:
        assert figure["caption"].split(".")[0] in reader.text


@pytest.mark.slow
def test_every_file_that_is_named_is_a_link_to_it(full):
    reader, _, _, report, folder = full
    links = [
        a["href"] for a in reader.all("a") if not a["href"].startswith(("#", "https://doi.org/"))
    ]
    # of a run of the pipeline, at its end
    assert {link for link in links if not (folder / link).is_file()} <= {"pipeline_info/cost.tsv"}
    named = re.findall(r"\b(?:tables|figures)/[\w.-]+?\.(?:tsv|svg|png|html|json)", reader.text)
    assert set(named) <= set(links)
    for entry in [
        *report["trust"]["figures"],
        *(f for s in report["sections"] for f in s["figures"]),
    ]:
        if entry["drawn"] and not entry["interactive"]:
            assert {f"figures/{entry['svg']}", f"figures/{entry['png']}"} <= set(links)
            assert {f"tables/{name}" for name in entry["data"]} <= set(links)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see tables/failures.tsv.", ["tables/failures.tsv"]),
        ("checks.tsv, planned.tsv", ["tables/checks.tsv"]),
        ("<b>figures/a.svg</b>", ["figures/a.svg"]),
        ("0.5.tsv and nothing", []),
    ],
)
def test_a_text_links_the_files_of_the_results_and_no_others(text, links):
    markup = str(linked(text))
    assert re.findall('href="([^"]+)"', markup) == links
    assert "<b>" not in markup


@pytest.mark.slow
def test_references_have_a_doi_and_are_in_a_bib_file(full):
    reader, _, _, report, folder = full
    bib = (folder / "references.bib").read_text(encoding="utf-8")
    links = {a["href"] for a in reader.all("a")}
    for one in report["references"]:
        assert re.fullmatch(r"10\.\d{4,}/\S+", one["doi"])
        assert one["url"] in links
        assert f"{{{one['key']}," in bib
        assert f"doi = {{{one['doi']}}}" in bib
    assert bib.count("@article{") == len(report["references"])
    assert "references.bib" in links


def test_a_reference_is_written_for_papers_and_for_reference_managers():
    one = CITATIONS["nilearn"]
    assert one.text == (
        "Abraham A, Pedregosa F, Eickenberg M, et al. Machine learning for neuroimaging with "
        "scikit-learn. Frontiers in Neuroinformatics 2014;8:14."
    )
    entry = one.bibtex("nilearn")
    assert "author = {Abraham, A and Pedregosa, F and Eickenberg, M and others}" in entry
    assert "volume = {8}" in entry
    pages = CITATIONS["glove"].bibtex("glove")
    assert "pages = {1532--1543}" in pages
    assert "volume" not in pages


def test_a_table_that_is_cut_has_the_counts_of_its_file():
    table = TABLES["models"]
    rows = {name: ["x"] * 1000 for name in table.names}
    entry = one_table(table, pd.DataFrame(rows))
    assert (len(entry["rows"]), entry["n_rows"], entry["n_in_file"]) == (MAX_ROWS, 1000, 1000)
    assert entry["n_columns_in_file"] == len(table.names) >= len(entry["columns"])
    assert [column["name"] for column in entry["columns"] if column["sticky"]] == ["model"]


@pytest.mark.slow
def test_tables_hold_the_values_of_the_files(full):
    _, page, _, report, folder = full
    tables = {one["id"]: one for s in report["sections"] for one in s["tables"]}
    shown = tables["asymmetry"]
    names = [column["name"] for column in shown["columns"]]
    rows = read_tables(folder / "tables")["asymmetry"]
    rows = rows[(rows["layer"] == "best_voxel") & (rows["midline"] == "shared")]
    assert shown["n_rows"] == len(rows)
    place = names.index("left_minus_right")
    assert [row[place] for row in shown["rows"]] == rows["left_minus_right"].tolist()
    assert f'data-value="{rows["left_minus_right"].iloc[0]}"' in page


@pytest.mark.slow
def test_report_json_holds_what_the_page_prints(full):
    reader, _, said, report, _ = full
    assert report["results"][0]["answer"]["text"] == said
    for paragraph in report["methods"]:
        assert re.sub(r"\s+", " ", paragraph) in reader.text
    for row in report["parameters"]:
        assert row["name"] in reader.text
    assert report["versions"]["nextflow"] == "25.10"
    assert "numpy" in report["versions"]
    assert all(len(row["sha256"]) == 64 for row in report["digests"])


@pytest.mark.slow
def test_methods_are_written_from_the_parameters(full):
    _, _, _, report, _ = full
    text = " ".join(report["methods"])
    for words in ("simulated data", "6 subjects in English", "2 random halves (seed 1234)",
                  "a half could consist of them alone",
                  "6 models", "alignment of annotation and text", "float32"):  # fmt: skip
        assert words in text
    assert not re.search(r"\[[a-z]+\]", text)
    assert len(report["references"]) >= 5


def test_methods_tell_the_choices_of_the_encoder():
    languages = [made_language()]
    text = describe_encoding(made_plan(languages=languages))
    for words in ("[hrf]", "for all voxels, chosen on one held-out training run", "[betting]"):
        assert words in text
    assert "components" not in text
    chosen = {"alpha": "per_voxel", "hrf": "fir", "inner_validation": "all_runs", "components": 50}
    text = describe_encoding(made_plan(languages=languages, encoder=chosen))
    for words in ("delays of 2, 4, 6, 8 and 10 s", "[fir]", "for each voxel",
                  "each held out in turn", "50 leading principal components",
                  "on the training runs alone"):  # fmt: skip
        assert words in text
    assert "[hrf]" not in text
    assert "betting" not in text
    assert "together" not in text
    text = describe_encoding(made_plan(languages=languages, joint=["word_rate", "glove"]))
    for words in ("together with word_rate and glove", "bands of their own", "[banded]"):
        assert words in text
    three = ["word_rate", "word_position", "word_length"]
    text = describe_encoding(made_plan(languages=languages, joint=three))
    assert "together with word_rate, word_position and word_length, as bands" in text
    assert "(0 to 10⁴)" in text


def test_methods_claim_nothing_of_what_was_given_or_not_fitted():
    given = made_language(mask={"source": ["m"]}, average_subject={"source": ["a"]})
    text = describe_preprocessing(made_plan(languages=[given]))
    for words in ("mask was taken from the file given", "average subject was taken from the files"):
        assert words in text
    for words in ("were resampled", "detrended", "smoothed", "mean over", "more than half"):
        assert words not in text
    people = [made_subject("EN901", individual=True), made_subject("EN902")]
    text = describe_preprocessing(made_plan(languages=[made_language(subjects=people)]))
    for words in (
        "were resampled",
        "detrended",
        "smoothed with 4 mm",
        "more than half of the runs",
    ):
        assert words in text
    alone = made_language(subjects=people, average=False)
    text = describe_preprocessing(made_plan(languages=[alone]))
    assert "average" not in text


def test_methods_tell_how_models_were_read_and_which_layers_count():
    languages = [made_language()]
    (_, _, features, *_), _ = paragraphs(made_plan(languages=languages))
    assert features.startswith("No language model was fitted. No baseline")
    models = [made_model(f"m{k}") for k in range(31)]
    text = describe_models(made_plan(models=models, parameters={"context": 8}))
    for words in ("31 models (m0, ", "m29 … (31 in all))", "with at most 7 tokens before it"):
        assert words in text
    untrained = [made_model("gpt2_untrained_seed1", seed=1), made_model("gpt2")]
    text = describe_models(made_plan(models=untrained, parameters={"untrained_mode": "train"}))
    assert "weights, drawn from a seed, had gpt2_untrained_seed1, and read with dropout" in text
    assert "dropout" not in describe_models(made_plan(models=untrained))
    for layers, last, said in (
        ("all", "yes", "Every layer was"),
        ("all", "no", "Every layer, but each model’s last, was"),
        ("every:2", "yes", "Every layer whose number is a multiple of 2 was"),
        ([0, 6], "yes", "Each of the layers 0, 6 was"),
    ):
        plan = made_plan(languages=languages, layers=layers, parameters={"last_layer": last})
        assert describe_encoding(plan).startswith(said)


def test_every_source_that_a_sentence_cites_is_listed():
    plan = made_plan(
        parameters={"dataset": "ds003643"},
        data_name="ds003643",
        languages=[made_language(subjects=[made_subject("EN057")])],
        models=[made_model("m", mapping="reference")],
        baselines=[made_baseline("glove", "glove"), made_baseline("oasm_seed1", "oasm")],
        encoder={"hrf": "fir"},
        joint=["glove"],
    )
    texts, references = paragraphs(plan)
    cited = [int(number) for number in re.findall(r"\[(\d+)\]", " ".join(texts))]
    assert list(dict.fromkeys(cited)) == list(range(1, len(references) + 1))
    assert not re.search(r"\[[a-z]+\]", " ".join(texts))
    assert len(references) == len(CITATIONS) - 1  # one of hrf and fir


@pytest.mark.slow
def test_the_derivative_is_described(full):
    described = read_json(full[-1] / "dataset_description.json")
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "lateralization"
    assert {"Name", "BIDSVersion", "SourceDatasets"} <= described.keys()


def test_one_model_has_an_answer_without_a_slope(tmp_path):
    reader, _, said, _ = make(
        tmp_path, MadeRun(models={"solo": 1e7}, baselines=False, isc=False), figures=False
    )
    assert "nothing is claimed: in English, whole brain of this average brain, 1 model, 5 " in said
    assert re.search(r"Left minus right of solo is [+−]?0\.\d+ in units of r, 95 % interval", said)
    assert "The claim asks for reliable voxels" in reader.text
    assert "No baseline was fitted" in reader.text
    first, _, rest = reader.text.rpartition("How far to trust it")
    assert said in first
    assert "Untrained twins: not tested" in first
    assert "--untrained_twins yes" in rest.partition("Not tested in this run")[2]


def test_of_two_planted_models_no_verdict_is_given(tmp_path):
    run = MadeRun(models={"a": 1e6, "b": 1e7}, baselines=False, truth=True)
    reader, _, _, _ = make(tmp_path, run, figures=False)
    assert "cannot be said: 2 models with scores, 3 are needed" in reader.text
    assert "rank correlation" not in reader.text


def test_no_reliability_is_a_whole_brain_answer(tmp_path):
    _, _, said, _ = make(tmp_path, MadeRun(isc=False), figures=False)
    assert "whole brain of this average brain" in said


@pytest.mark.slow
def test_individuals_are_spoken_of_with_an_interval_over_people(tmp_path):
    run = MadeRun(subjects=("average", "EN901", "EN902", "EN903"))
    reader, *_ = make(tmp_path, run, figures=False)
    assert "Over 3 individuals" in reader.text
    assert "with five or fewer none can reach 5 %" in reader.text
    assert "nothing is inferred about people" not in reader.text


@pytest.mark.slow
def test_baselines_that_lean_more_than_models_are_a_caution(tmp_path):
    reader, _, _, report = make(tmp_path, MadeRun(rise=0.0005, run_noise=0.0), figures=False)
    tones = {remark["text"]: remark["tone"] for remark in report["results"][0]["remarks"]}
    caution = [text for text in tones if text.startswith("A control leans farther")]
    assert caution
    assert tones[caution[0]] == "bad"
    assert caution[0] in reader.text


@pytest.mark.slow
def test_without_a_rise_none_is_claimed(tmp_path):
    _, _, said, _ = make(tmp_path, MadeRun(models=SIX, rise=0.0), figures=False)
    assert "is not shown" in said


@pytest.mark.slow
def test_two_languages_have_an_answer_each(tmp_path):
    one, two = write_run(tmp_path / "en"), write_run(tmp_path / "fr", language="fr")
    plan, other = read_json(one.plan), read_json(two.plan)
    for key in ("languages", "fits"):
        plan[key] += other[key]
    write_json(plan, one.plan)
    files = ("scores", "runs", "masks", "isc", "rois")
    both = {name: [*getattr(one, name), *getattr(two, name)] for name in files}
    lateralize(dataclasses.replace(one, **both), tmp_path / "tables")
    (tmp_path / "figures.json").write_text("[]")
    out = tmp_path / "report.html"
    write_report(one.plan, tmp_path / "tables", tmp_path, TEMPLATE, out)
    results = read_json(tmp_path / "report.json")["results"]
    assert [one["language"] for one in results] == ["English", "French"]
    assert "in French, reliable voxels" in Reader(out.read_text(encoding="utf-8")).text


@pytest.mark.slow
def test_equal_inputs_give_equal_pages(tmp_path):
    pages = [make(tmp_path / name, figures=False)[1] for name in ("a", "b")]
    assert pages[0] == pages[1]


@pytest.mark.slow
def test_a_missing_template_is_bad_input(tmp_path):
    inputs = write_run(tmp_path / "in")
    lateralize(inputs, tmp_path / "tables")
    (tmp_path / "figures.json").write_text("[]")
    with pytest.raises(BadInput, match="take the template from assets"):
        write_report(
            inputs.plan, tmp_path / "tables", tmp_path, tmp_path / "no.j2", tmp_path / "r.html"
        )


@pytest.mark.slow
def test_a_missing_figure_is_bad_input(tmp_path):
    inputs = write_run(tmp_path / "in")
    lateralize(inputs, tmp_path / "tables")
    (tmp_path / "figures.json").write_text(
        '[{"name": "x", "section": "size", "language": "en", "subject": "average", "drawn": true,'
        ' "label": "X", "variant": "", "interactive": false, "data": [], "svg": "x.svg",'
        ' "png": "x.png", "title": "t", "caption": "c", "alt": "a"}]'
    )
    with pytest.raises(BadInput, match=r"x\.svg"):
        write_report(inputs.plan, tmp_path / "tables", tmp_path, TEMPLATE, tmp_path / "r.html")


def test_of_two_languages_every_figure_says_which(tmp_path):
    make(tmp_path, MadeRun(models={"a": 1e6, "b": 1e7}), figures=False)
    for name, table in read_tables(tmp_path / "tables").items():
        if "language" in table:
            both = pd.concat([table, table.assign(language="fr")])
            write_table(both, tmp_path / "tables" / f"{name}.tsv")
    plan = read_json(tmp_path / "in" / "plan.json")
    plan["languages"].append(plan["languages"][0] | {"language": "fr", "name": "French"})
    write_json(plan, tmp_path / "in" / "plan.json")
    write_json([
        {"name": "interactive_isc", "section": "brain", "language": language, "interactive": True,
         "label": "Interactive", "variant": "reliability", "drawn": True,
         "html": f"{language}.html", "title": "Reliability"}
        for language in ("en", "fr")
    ], tmp_path / "figures" / "figures.json")  # fmt: skip
    write_report(
        tmp_path / "in" / "plan.json", tmp_path / "tables", tmp_path / "figures", TEMPLATE,
        tmp_path / "both.html", run={"nextflow": "25.10"},
    )  # fmt: skip
    text = Reader((tmp_path / "both.html").read_text(encoding="utf-8")).text
    for language, name in {"en": "English", "fr": "French"}.items():
        assert f"Reliability ({name}), to walk through: figures/{language}.html" in text


@pytest.mark.slow
def test_of_named_stories_the_page_says_how_many_heard_each(tmp_path):
    stories = tuple(f"story-{name}" for name in ("wheels", "avatar", "souls", "buck", "007"))
    people = tuple(f"EN{number}" for number in range(901, 907))
    run = MadeRun(
        models=SIX, layers=2, subjects=("average", *people), stories=stories, baselines=False,
        lacks={"EN902": stories[:2], "EN903": stories[1:2]},
    )  # fmt: skip
    reader, _, said, report = make(tmp_path, run)
    assert "5 stories, 6 people together" in said
    assert re.search(r"in English, reliable voxels of 6 people, left minus right changes by", said)
    (heard,) = (fact["value"] for fact in report["facts"] if fact["name"] == "Heard")
    assert heard == "5 stories, each heard by 4 to 6 of 6 people"
    methods = " ".join(report["methods"])
    assert f"(English: {heard}; repetition time 2 s)" in methods
    assert "in each story over those who heard it" in methods
    assert "each person counts alike in the claim" in methods
    assert "% over stories" in reader.text
    drawn = {one["name"] for one in report["panels"]}
    assert drawn == {"claim"}
