"""The methods paragraphs: the sentences of all stages in their order, with numbered citations.

The sentences stand in the room of their stage, in its ``methods.py``: apart from the modules that
compute, so that REPORT reaches neither torch nor nilearn, and an edit of a sentence runs REPORT
alone again.
"""

from lateralization.baselines.methods import describe_baselines
from lateralization.encoding.methods import describe_encoding
from lateralization.fmri.methods import (
    NOBODY,
    Absent,
    describe_preprocessing,
    describe_reliability,
)
from lateralization.language_models.methods import describe_models
from lateralization.run_plan import Plan
from lateralization.sources.methods import describe_data
from lateralization.statistics.methods import STATISTICS

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
    "clusters": (
        "MacKinnon JG, Nielsen MO, Webb MD. Cluster-robust inference: a guide to empirical "
        "practice. Journal of Econometrics 2023;232:272-299."
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
    "oasm": (
        "Feghhi E, Hadidi N, Song B, Blank IA, Kao JC. What are large language models mapping to "
        "in the brain? A case against over-reliance on brain scores. arXiv:2406.01538, 2024."
    ),
    "nextflow": (
        "Di Tommaso P, Chatzou M, Floden EW, et al. Nextflow enables reproducible computational "
        "workflows. Nature Biotechnology 2017;35:316-319."
    ),
}
"""Key in square brackets in a sentence → reference."""


def paragraphs(plan: Plan, absent: Absent = NOBODY) -> tuple[list[str], list[str]]:
    """Write the methods with numbered citations.

    Parameters
    ----------
    plan
        The plan of the run.
    absent
        Language → subjects that the group lacks.

    Returns
    -------
    paragraphs, references (in order of first mention)
    """
    texts = [
        f"{describe_data(plan)} {describe_preprocessing(plan, absent)}",
        describe_reliability(plan),
        f"{describe_models(plan)} {describe_baselines(plan)}",
        describe_encoding(plan),
        f"{STATISTICS} The pipeline runs under Nextflow [nextflow].",
    ]
    everything = " ".join(texts)
    used = sorted(
        (key for key in CITATIONS if f"[{key}]" in everything),
        key=lambda key: everything.index(f"[{key}]"),
    )
    for place, key in enumerate(used, start=1):
        texts = [text.replace(f"[{key}]", f"[{place}]") for text in texts]
    return texts, [CITATIONS[key] for key in used]
