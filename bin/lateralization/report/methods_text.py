"""The methods paragraph, written from the parameters that were used, with its citations."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lateralization import wording
from lateralization.baselines.confounds import ALL as CONFOUNDS
from lateralization.baselines.own_features import KIND as FEATURES
from lateralization.problems import listed
from lateralization.ridge.race import RISK
from lateralization.study import ISC_PERCENTILE, N_RUNS, SMOOTHING_MM, TR, TRIM

Absent = Mapping[str, Sequence[str]]
"""Language → subjects that are in no mean over subjects."""

NOBODY: Absent = MappingProxyType({})

CITATIONS = {
    "study": (
        "Bonnasse-Gahot L, Pallier C. fMRI predictors based on language models of increasing "
        "complexity recover brain left lateralization. NeurIPS 2024."
    ),
    "data": (
        "Li J, Bhattasali S, Zhang S, et al. Le Petit Prince multilingual naturalistic fMRI "
        "corpus. Scientific Data 2022;9:530. OpenNeuro ds003643."
    ),
    "hrf": (
        "Glover GH. Deconvolution of impulse response in event-related BOLD fMRI. NeuroImage "
        "1999;9:416-429."
    ),
    "fir": (
        "Huth AG, de Heer WA, Griffiths TL, Theunissen FE, Gallant JL. Natural speech reveals the "
        "semantic maps that tile human cerebral cortex. Nature 2016;532:453-458."
    ),
    "banded": (
        "Nunez-Elizalde AO, Huth AG, Gallant JL. Voxelwise encoding models with non-spherical "
        "multivariate normal priors. NeuroImage 2019;197:482-492."
    ),
    "betting": (
        "Waudby-Smith I, Ramdas A. Estimating means of bounded random variables by betting. "
        "Journal of the Royal Statistical Society B 2024;86:1-27."
    ),
    "ridge": (
        "Hoerl AE, Kennard RW. Ridge regression: biased estimation for nonorthogonal problems. "
        "Technometrics 1970;12:55-67."
    ),
    "resampled": (
        "Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning "
        "2003;52:239-281."
    ),
    "nilearn": (
        "Abraham A, Pedregosa F, Eickenberg M, et al. Machine learning for neuroimaging with "
        "scikit-learn. Frontiers in Neuroinformatics 2014;8:14."
    ),
    "transformers": (
        "Wolf T, Debut L, Sanh V, et al. Transformers: state-of-the-art natural language "
        "processing. EMNLP 2020 System Demonstrations, 38-45."
    ),
    "glove": (
        "Pennington J, Socher R, Manning CD. GloVe: global vectors for word representation. "
        "EMNLP 2014, 1532-1543."
    ),
    "nextflow": (
        "Di Tommaso P, Chatzou M, Floden EW, et al. Nextflow enables reproducible computational "
        "workflows. Nature Biotechnology 2017;35:316-319."
    ),
}


def _languages(plan: dict[str, Any]) -> str:
    parts = []
    for entry in plan.get("languages", []):
        name, n = entry["name"], len(entry.get("subjects") or [])
        parts.append(f"{wording.plural(n, 'subject')} in {name}" if n else name)
    return ", ".join(parts)


def _of_data(plan: dict[str, Any], name: str, otherwise: float) -> float:
    """Return a number of the data set, which is the same for all its languages."""
    return float(next((entry[name] for entry in plan.get("languages", [])), otherwise))


def _but(plan: dict[str, Any], absent: Absent) -> str:
    """Name the subjects that are in no mean over subjects: `` but EN903 (English)``."""
    names = {entry["language"]: entry["name"] for entry in plan.get("languages", [])}
    told = [
        f"{', '.join(subjects)} ({names.get(language, language)})"
        for language, subjects in absent.items()
        if subjects
    ]
    return f" but {' and '.join(told)}" if told else ""


def data_text(plan: dict[str, Any], absent: Absent = NOBODY) -> str:
    """Describe subjects and preprocessing; of what was given, only that it was.

    ``absent``: language → subjects that the group lacks.
    """
    n_runs, tr = _of_data(plan, "n_runs", N_RUNS), _of_data(plan, "tr", TR)
    where = "simulated data" if plan.get("truth") else "functional MRI"
    if plan.get("parameters", {}).get("dataset") == "ds003643" and not plan.get("truth"):
        where = "functional MRI of the data set ds003643 [data]"
    languages = plan.get("languages", [])
    images = any(entry.get("subjects") for entry in languages)
    parts = [
        f"We analysed {where} of listeners to a story in {n_runs:g} runs ({_languages(plan)}; "
        f"repetition time {tr:g} s).",
        "Images were resampled to 4 mm." if images else "",
        _mask_text(languages),
        "Each voxel’s time course was detrended, high-pass filtered at 1/128 Hz and standardised "
        "per run, as nilearn does it [nilearn]." if images else "",
        _subjects_text(plan, absent),
        "Voxels whose source signal is constant or not finite in a run were left out throughout.",
    ]  # fmt: skip
    return " ".join(part for part in parts if part)


def _mask_text(languages: Sequence[dict[str, Any]]) -> str:
    """Say where the group's mask comes from."""
    if any(entry.get("mask") for entry in languages):
        return "The group mask was taken from the file given."
    return (
        "The group mask holds the voxels that lie in the brain in more than half of the runs, "
        "made mirror-symmetric."
    )


def _subjects_text(plan: dict[str, Any], absent: Absent) -> str:
    """Say what the average subject is, and how individuals differ; only of what is fitted."""
    languages, found = plan.get("languages", []), []
    if any(entry.get("average_subject") for entry in languages):
        found.append("The average subject was taken from the files given.")
    elif any(entry.get("average", True) for entry in languages):
        found.append(
            "The average subject is the mean over all subjects of a language"
            f"{_but(plan, absent)}, standardised again."
        )
    people = [one for entry in languages for one in entry.get("subjects") or []]
    if any(one.get("individual") for one in people):
        found.append(
            f"Individuals were smoothed with {SMOOTHING_MM:g} mm, within masks of their own."
        )
    return " ".join(found)


def reliability_text(plan: dict[str, Any]) -> str:
    """Describe the inter-subject reliability."""
    given = plan.get("parameters", {})
    if any(entry.get("isc") for entry in plan.get("languages", [])):
        start = "Inter-subject reliability was taken from the files given"
    else:
        start = (
            "Inter-subject reliability was estimated by predicting the mean of one half of the "
            f"subjects from the other with ridge regression, over {given.get('isc_trials', 10)} "
            f"random halves (seed {given.get('isc_seed', 1234)}); voxels were left out of "
            "every trial where so many subjects had no signal in a run that a half could consist "
            "of them alone"
        )
    return f"{start}; voxels strictly above its {ISC_PERCENTILE}th percentile are called reliable."


def model_text(plan: dict[str, Any]) -> str:
    """Describe models, words and baselines."""
    models, baselines = plan.get("models", []), plan.get("baselines", [])
    given = plan.get("parameters", {})
    mappings = {entry.get("mapping") for entry in models}
    ways = {
        "reference": "by the matching rule of the published study [study]",
        "aligned": "by a global character alignment of annotation and text",
    }
    how = " and ".join(ways[name] for name in sorted(m for m in mappings if m in ways))
    names = listed([entry["name"] for entry in models], 30)
    kinds = {entry["kind"] for entry in baselines}
    controls = []
    if "random_vector" in kinds:
        controls.append("a random vector for every word")
    if "random_embedding" in kinds:
        controls.append("a random vector for every distinct word")
    if "glove" in kinds:
        controls.append("GloVe vectors [glove]")
    shared = [str(entry["name"]) for entry in baselines if entry["kind"] in CONFOUNDS]
    own = [str(entry["name"]) for entry in baselines if entry["kind"] == FEATURES]
    ending = f" Baselines were {', '.join(controls)}." if controls else " No baseline was fitted."
    if shared:
        ending += f" Confounds, one number for each word, were fitted alone: {', '.join(shared)}."
    if own:
        ending += f" Features made elsewhere were fitted in the same way: {', '.join(own)}."
    if not models:
        return f"No language model was fitted.{ending}"
    context = given.get("context")
    alone = ""
    if context:
        alone = f"; each word was read with at most {int(context) - 1} tokens before it"
    return (
        f"Hidden states of {wording.plural(len(models), 'model')} ({names}) were computed with "
        f"transformers [transformers] in {given.get('precision', 'float32')} and averaged over "
        f"the tokens of each word{alone}; words were found in the text "
        f"{how or 'by the study’s rule'}.{_untrained_text(models, given)}{ending}"
    )


def _untrained_text(models: Sequence[dict[str, Any]], given: Mapping[str, Any]) -> str:
    """Say which models were not trained, and how they were read."""
    names = [entry["name"] for entry in models if entry.get("seed")]
    if not names:
        return ""
    dropout = ", and read with dropout, as in the published study [study]"
    how = dropout if given.get("untrained_mode") == "train" else ""
    return f" Random weights, drawn from a seed, had {listed(names, 30)}{how}."


def encoding_text(plan: dict[str, Any]) -> str:
    """Describe the encoder and its cross-validation."""
    n_trim, n_runs = _of_data(plan, "trim", TRIM), _of_data(plan, "n_runs", N_RUNS)
    layers = _layers_text(plan.get("parameters", {}))
    encoder = plan.get("encoder", {})
    way = "was convolved with a haemodynamic response function [hrf]"
    if encoder.get("hrf") == "fir":
        way = (
            "was summed over the words that begin in each scan and entered with delays of 1 to 5 "
            "scans (finite impulse response [fir])"
        )
    return (
        f"{layers} {way}, {n_trim:g} scans at each end of a run were dropped, and the signal was "
        "predicted by ridge regression [ridge]: each run in turn was predicted from the others"
        f"{_components_text(encoder)}, {_penalty_text(encoder)} The brain score is "
        f"Pearson’s correlation of prediction and signal, averaged over the {n_runs:g} test runs."
        f"{_joint_text(plan)}"
    )


def _layers_text(given: Mapping[str, Any]) -> str:
    """Say which layers were fitted, as the beginning of a sentence."""
    chosen = given.get("layers", "all")
    if isinstance(chosen, list):
        text = f"Each of the layers {listed(chosen, 30)}"
    elif str(chosen).startswith("every:"):
        text = f"Every layer whose number is a multiple of {str(chosen).partition(':')[2]}"
    else:
        text = "Every layer"
    return f"{text}, but each model’s last," if given.get("last_layer") == "no" else text


def _joint_text(plan: dict[str, Any]) -> str:
    """Describe the banded ridge, where confounds went jointly."""
    names = plan.get("joint") or []
    if not names:
        return ""
    bands = "a band of its own" if len(names) == 1 else "bands of their own"
    return (
        f" Each layer was also fitted together with {' and '.join(names)}, as {bands} in a banded "
        "ridge regression [banded]: the weight of each band beside the layer’s (0 to 10⁶) was "
        "chosen together with the penalty. The unique part of a model is the brain score of both "
        "together less that of the confounds alone, at the layer that each voxel prefers on the "
        "other test runs."
    )


def _components_text(encoder: dict[str, Any]) -> str:
    """Describe the reduction to components, where there is one."""
    if not encoder.get("components"):
        return ""
    return (
        f" through the {encoder['components']} leading principal components of the regressors, "
        "fitted in each fold on the training runs alone"
    )


def _penalty_text(encoder: dict[str, Any]) -> str:
    """Describe how the penalty was chosen."""
    voxelwise = encoder.get("alpha") == "per_voxel"
    whose = "each voxel" if voxelwise else "all voxels"
    held = "one held-out training run"
    if encoder.get("inner_validation") == "all_runs":
        held = "the training runs, each held out in turn"
    text = f"with one penalty out of 16 (10² to 10⁷) for {whose}, chosen on {held}."
    if voxelwise:
        return text
    return (
        f"{text} Penalties that could not be the best any more were dropped before "
        "the last voxel by a betting test [betting]: the chosen penalty is that of the exhaustive "
        f"search, with a probability of error below {RISK:g} for each search."
    )


def statistics_text() -> str:
    """Describe scores, hemispheres and intervals."""
    return (
        "Published-style numbers take each voxel’s best layer and split the mask’s voxels into "
        "two halves that share the midline [study]; beside them stand scores with the layer "
        "chosen on other runs than it is scored on, and hemispheres without the midline. "
        "Asymmetries are unpaired differences of hemisphere means. Intervals are Student’s t "
        "over test runs, over models or over people, those of a mediation a bootstrap over models "
        "or families; over voxels are only the bands and stars of regions, kept in the published "
        "style. Test runs share training runs: intervals and tests over test runs are corrected "
        "for it [resampled]; in simulation they cover 97 to 98 %, uncorrected 87 to 93 %. Models "
        "of one family are related, so intervals over models may be too narrow. Effects "
        "of size are regressions on the natural logarithm of the number of parameters. The "
        "pipeline runs under Nextflow [nextflow]."
    )


def paragraphs(plan: dict[str, Any], absent: Absent = NOBODY) -> tuple[list[str], list[str]]:
    """Write the methods with numbered citations; ``absent`` as for :func:`data_text`.

    Returns
    -------
    paragraphs, references (in order of first mention)
    """
    texts = [
        data_text(plan, absent), reliability_text(plan), model_text(plan), encoding_text(plan),
        statistics_text(),
    ]  # fmt: skip
    everything = " ".join(texts)
    used = sorted(
        (key for key in CITATIONS if f"[{key}]" in everything),
        key=lambda key: everything.index(f"[{key}]"),
    )
    for place, key in enumerate(used, start=1):
        texts = [text.replace(f"[{key}]", f"[{place}]") for text in texts]
    return texts, [CITATIONS[key] for key in used]
