"""Every sentence of the methods is written under its condition, and only there."""

import ast
from pathlib import Path

import pytest

from helpers.made_plans import made_baseline, made_language, made_model, made_plan, made_subject
from lateralization.report.methods import paragraphs
from lateralization.run_plan import RunPlan, SubjectPlan, Template

ROOMS = Path(__file__).parents[3] / "bin" / "lateralization"


def plan(*, parameters=None, language=None, **fields):
    """Return a plan of English with an average subject of two, and one model."""
    subjects = [made_subject("EN1"), made_subject("EN2")]
    english = made_language(**{"subjects": subjects, **(language or {})})
    given = {"languages": [english], "models": [made_model("gpt2")], **fields}
    return made_plan(parameters=parameters, **given)


def stories(*heard, extra="C", again="", test=()):
    """Return a plan of named stories: letters that each person heard, and ``extra`` all."""
    names = sorted({*"".join(heard), *extra})
    subjects = [
        made_subject(
            f"EN{place}",
            heard=[f"story-{name}" for name in own + extra]
            + [f"story-{name}_rep-2" for name in again],
        )
        for place, own in enumerate(heard, start=1)
    ]
    keys = [f"story-{name}" for name in names]
    return plan(language={"subjects": subjects, "stories": keys, "test": list(test)})


def encoder(**choices):
    return plan(encoder={**plan().encoder, **choices})


def with_individual():
    return plan(language={"subjects": [made_subject("EN1", individual=True), made_subject("EN2")]})


def with_confounds(*wanted, columns):
    """Return a plan in which columns of confounds are regressed off a run."""
    names = [f"column{number}" for number in range(columns)]
    run = RunPlan("story-a", "", "", confounds="c.tsv", scans=280, confound_columns=names)
    subject = SubjectPlan("1", None, individual=False, group=True, runs=[run])
    return plan(parameters={"confounds": list(wanted)}, language={"subjects": [subject]})


def baseline(kind, **more):
    return plan(baselines=[made_baseline(kind, kind=kind, **more)])


ALWAYS = None
COLIN27, SYMMETRIC = Template("Colin27", False), Template("MNI152NLin2009cSym", True)
BARE = plan()
CASES = {
    # part of the text: (condition, a plan under which it is written, one under which it is not)
    "No baseline was fitted.": ("no baseline", BARE, baseline("glove")),
    "a random vector for every word": ("--baselines", baseline("random_vector"), BARE),
    "a random vector for every distinct word": ("--baselines", baseline("random_embedding"), BARE),
    "GloVe vectors [": ("--baselines", baseline("glove"), BARE),
    "Confounds, one number for each word, were fitted alone: ": (
        "a baseline of one number", baseline("word_rate"), baseline("glove"),
    ),
    "Features made elsewhere were fitted in the same way: ": (
        "--features", baseline("features"), baseline("glove"),
    ),
    "was convolved with a haemodynamic response function [": (
        "--hrf glover", BARE, encoder(hrf="fir"),
    ),
    "was summed over the words that begin in each scan and entered with delays of": (
        "--hrf fir", encoder(hrf="fir"), BARE,
    ),
    "scans at each end of a run were dropped, and the signal was predicted by": (
        "always", BARE, ALWAYS,
    ),
    "The brain score is Pearson’s correlation": ("always", BARE, ALWAYS),
    "Each of the layers ": ("--layers LIST", plan(layers=[0, 6]), BARE),
    ", but each model’s last,": ("--last_layer no", plan(parameters={"last_layer": "no"}), BARE),
    "Every layer whose number is a multiple of ": ("--layers every", plan(layers="every:2"), BARE),
    "The group mask holds the voxels": ("no --mask", BARE, plan(language={"mask": {}})),
    "The group mask was taken from the file given.": ("--mask", plan(language={"mask": {}}), BARE),
    "Voxels without a signal in a run": ("always", BARE, ALWAYS),
    "Inter-subject reliability was taken from the files given": (
        "--isc", plan(language={"isc": {}}), BARE,
    ),
    "voxels strictly above its": ("always", BARE, ALWAYS),
    "th percentile are called reliable.": ("always", BARE, ALWAYS),
    "Images were resampled to 4 mm.": ("images are read", BARE, plan(language={"subjects": []})),
    "Each voxel’s time course was detrended": (
        "images are read", BARE, plan(language={"subjects": []}),
    ),
    "Before it was standardised, six motion parameters (6 columns of the run’s table": (
        "--confounds motion", with_confounds("motion", columns=6), BARE,
    ),
    "filtered alike, were regressed off; this and the filter left": (
        "--confounds", with_confounds("csf", columns=1), plan(parameters={"confounds": ["motion"]}),
    ),
    "the filter left 269 degrees of freedom in a run.": (
        "280 scans, 1 column", with_confounds("csf", columns=1), with_confounds("csf", columns=2),
    ),
    "six motion parameters, their derivatives and the squares of both (24 columns": (
        "--confounds motion24", with_confounds("motion24", columns=24), BARE,
    ),
    "the mean signals of white matter and cerebrospinal fluid": (
        "--confounds motion+wm_csf", with_confounds("motion+wm_csf", columns=8), BARE,
    ),
    "the anatomical CompCor components that fMRIPrep retained": (
        "--confounds compcor", with_confounds("compcor", columns=9),
        with_confounds("csf", columns=1),
    ),
    "six motion parameters and the confounds csf, dvars (8 columns": (
        "--confounds LIST", with_confounds("motion", "csf", "dvars", columns=8),
        with_confounds("motion", columns=6),
    ),
    "The average subject was taken from the files given.": (
        "--average_subject", plan(language={"average_subject": {}}), BARE,
    ),
    "Inter-subject reliability was estimated by predicting": (
        "no --isc", BARE, plan(language={"isc": {}}),
    ),
    "random halves (seed ": ("no --isc", BARE, plan(language={"isc": {}})),
    "; voxels were left out of every trial where": ("no --isc", BARE, plan(language={"isc": {}})),
    "Individuals were smoothed with ": ("an individual is fitted", with_individual(), BARE),
    "mm, within masks of their own.": ("an individual is fitted", with_individual(), BARE),
    "The average subject is the mean over all subjects of a language": (
        "the average is fitted", BARE, plan(language={"average": False}),
    ),
    ", standardised again.": ("the average is fitted", BARE, plan(language={"average": False})),
    ", and read with dropout, as in the published study [": (
        "--untrained_mode train",
        plan(models=[made_model("gpt2", seed=1)], parameters={"untrained_mode": "train"}),
        plan(models=[made_model("gpt2", seed=1)]),
    ),
    "No language model was fitted.": ("no model", plan(models=[]), BARE),
    "Hidden states of ": ("a model", BARE, plan(models=[])),
    ") were computed with transformers [": ("a model", BARE, plan(models=[])),
    "and averaged over the tokens of each word": ("a model", BARE, plan(models=[])),
    "Random weights, drawn from a seed, had ": (
        "an untrained model", plan(models=[made_model("gpt2", seed=1)]), BARE,
    ),
    "; each word was read with at most ": ("--context", plan(parameters={"context": 5}), BARE),
    "tokens before it": ("--context", plan(parameters={"context": 5}), BARE),
    "one held-out training run": (
        "--inner_validation one_run", BARE, encoder(inner_validation="all_runs"),
    ),
    "leading principal components of the regressors": ("--components", encoder(components=5), BARE),
    "the training runs, each held out in turn": (
        "--inner_validation all_runs", encoder(inner_validation="all_runs"), BARE,
    ),
    "with one penalty out of 16 (10² to 10⁷) for ": ("always", BARE, ALWAYS),
    ", chosen on ": ("always", BARE, ALWAYS),
    "Penalties that could not be the best any more": (
        "--alpha shared", BARE, encoder(alpha="per_voxel"),
    ),
    "for each search.": ("--alpha shared", BARE, encoder(alpha="per_voxel")),
    "a band of its own": ("--joint of one", plan(joint=["word_rate"]), BARE),
    "bands of their own": ("--joint of two", plan(joint=["word_rate", "f0"]), BARE),
    "Each layer was also fitted together with ": ("--joint", plan(joint=["word_rate"]), BARE),
    "in a banded ridge regression [": ("--joint", plan(joint=["word_rate"]), BARE),
    "the weight of each band beside the layer’s": ("--joint", plan(joint=["word_rate"]), BARE),
    "was chosen together with the penalty. The unique part": (
        "--joint", plan(joint=["word_rate"]), BARE,
    ),
    "draws of an orthogonal autocorrelated sequence": ("--baselines", baseline("oasm"), BARE),
    "are alike within a run and unrelated between runs": ("--baselines", baseline("oasm"), BARE),
    "folds leak [": ("--baselines", baseline("oasm"), BARE),
    "of listeners to a story in ": ("always", BARE, ALWAYS),
    "; repetition time ": ("always", BARE, ALWAYS),
    "functional MRI of the data set ds003643 [": (
        "ds003643", plan(parameters={"dataset": "ds003643"}, data_name="ds003643"),
        plan(parameters={"dataset": "mine"}, data_name="ds003643"),
    ),
    "functional MRI of the data set made of": ("always", BARE, plan(truth="simulation.json")),
    "of listeners to several stories (English: 3 stories of 2 people": (
        "stories have names", stories("AB", "AB"), BARE,
    ),
    "3 stories, each heard by 1 to 2 of 2 people": (
        "somebody lacks a story", stories("AB", "A"), stories("AB", "AB"),
    ),
    ", each heard by 2 of 3 people": (
        "as many heard each", stories("AB", "BC", "CA", extra=""), stories("AB", "A"),
    ),
    " Where people heard different stories, scores are matched by story": (
        "somebody lacks a story", stories("AB", "A"), stories("AB", "AB"),
    ),
    ", in each story over those who heard it": (
        "somebody lacks a story", stories("AB", "A"), stories("AB", "AB"),
    ),
    "each run in turn was predicted from the others": ("numbered runs", BARE, stories("AB", "AB")),
    "each story in turn was predicted from the others": (
        "named stories", stories("AB", "AB"), BARE,
    ),
    "but A, which nothing was fitted to": (
        "stories.test", stories("AB", "AB", test=["story-A"]), stories("AB", "AB"),
    ),
    ", a story that was heard k times with all its runs, each of weight 1/k": (
        "a story is repeated", stories("AB", "AB", again="A"), stories("AB", "AB"),
    ),
    ", and so were stories heard by fewer than four people": (
        "three people heard one story, four all others",
        stories("A", "A", "A", ""), stories("A", "A", "A", "A"),
    ),
    "No story was heard by four people or more": (
        "three people", stories("A", "A", "A"), stories("A", "A", "A", ""),
    ),
    "averaged over the 9 test runs": ("numbered runs", BARE, stories("AB", "AB")),
    "averaged over the 3 stories.": ("all heard all", stories("AB", "AB"), stories("AB", "A")),
    "the stories that were heard": (
        "somebody lacks a story", stories("AB", "A"), stories("AB", "AB"),
    ),
    "The simulated brains are symmetric: ": ("simulated", plan(truth="truth.json"), BARE),
    "The data set does not say which template its images are in": (
        "no template", BARE, plan(template=COLIN27),
    ),
    "Images are in the space of ": ("a template", plan(template=COLIN27), BARE),
    "which is symmetric: a voxel’s mirror image is its homologue.": (
        "a symmetric template", plan(template=SYMMETRIC), plan(template=COLIN27),
    ),
    "which is not symmetric: a voxel’s mirror image need not be its homologue, and": (
        "another template", plan(template=COLIN27), plan(template=SYMMETRIC),
    ),
    "Of the 2 subjects in English: 1 right-handed, 1 of unknown handedness.": (
        "participants.tsv says it", plan(language={"handedness": {"right": 1, "unknown": 1}}), BARE,
    ),
    "Areas of an atlas are compared where one side lies in the place of the": (
        "an atlas", plan(atlas={"source": []}), BARE,
    ),
    "Published-style numbers take each voxel’s best layer": ("always", BARE, ALWAYS),
    "by the matching rule of the published study [": (
        "the reference rule", plan(models=[made_model("gpt2", mapping="reference")]),
        plan(models=[made_model("gpt2", mapping="aligned")]),
    ),
    "by a global character alignment of annotation and text": (
        "the aligned rule", plan(models=[made_model("gpt2", mapping="aligned")]),
        plan(models=[made_model("gpt2", mapping="reference")]),
    ),
    ", which in English was joined from the words themselves, ": (
        "texts joined from words", plan(language={"texts": {"joined": True}}),
        plan(language={"texts": {"source": ["/texts"]}}),
    ),
    "words were found in the text ": ("a model", BARE, plan(models=[])),
}  # fmt: skip


def text_of(plan):
    return " ".join(paragraphs(plan)[0])


@pytest.mark.parametrize("part", CASES)
def test_it_is_written_under_its_condition_and_not_beyond(part):
    condition, within, beyond = CASES[part]
    assert condition
    assert part in text_of(within)
    if beyond is not ALWAYS:
        assert part not in text_of(beyond)


def _said(tree):
    """Return the texts of three words or more in the code of a module; docstrings are none."""
    documented = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef) and isinstance(node.body[0], ast.Expr)
    }
    documented |= {
        after.value
        for node, after in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and node not in documented and len(text.split()) > 2:
            yield text


def test_every_sentence_of_the_methods_is_tried():
    cases = [part.rstrip(" [").strip() for part in CASES]
    files = [path for path in ROOMS.glob("*/methods.py") if path.parent.name != "report"]
    assert len(files) >= 8
    missing = [
        said
        for path in files
        for said in _said(ast.parse(path.read_text(encoding="utf-8")))
        if not any(case in said or said.strip() in case for case in cases)
    ]
    assert missing == []
