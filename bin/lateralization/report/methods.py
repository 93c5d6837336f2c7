"""The methods paragraphs: the sentences of all stages in their order, with numbered citations.

The sentences stand in the room of their stage, in its ``methods.py``: apart from the modules that
compute, so that REPORT reaches neither torch nor nilearn, and an edit of a sentence runs REPORT
alone again.
"""

from dataclasses import dataclass

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
from lateralization.statistics.methods import INCOMPLETE, STATISTICS, describe_sides


@dataclass(frozen=True)
class Citation:
    """A publication.

    Attributes
    ----------
    authors
        As they are printed: ``Pennington J, Socher R``; ``et al`` for the rest.
    where
        Journal or conference.
    place
        Volume and pages, as they are printed after the year; empty where there are none.
    doi
        Without the resolver.
    """

    authors: str
    title: str
    where: str
    year: int
    place: str
    doi: str
    note: str = ""

    @property
    def text(self) -> str:
        """The reference as a paper prints it."""
        place = f";{self.place}" if self.place else ""
        note = f" {self.note}." if self.note else ""
        return f"{self.authors}. {self.title}. {self.where} {self.year}{place}.{note}"

    def plain(self) -> dict[str, str]:
        """Return text, DOI and address, as ``report.json`` has them."""
        return {"text": self.text, "doi": self.doi, "url": f"https://doi.org/{self.doi}"}

    def bibtex(self, key: str) -> str:
        """Return the entry of a ``.bib`` file."""
        people = self.authors.removesuffix(", et al").split(", ")
        names = [", ".join(person.rsplit(" ", 1)) for person in people]
        authors = " and ".join(names + ["others"] * self.authors.endswith("et al"))
        volume, _, pages = self.place.rpartition(":")
        fields = {
            "author": authors, "title": f"{{{self.title}}}", "journal": self.where,
            "year": str(self.year), "volume": volume, "pages": pages.replace("-", "--"),
            "doi": self.doi, "note": self.note,
        }  # fmt: skip
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@article{{{key},", *lines, "}"]) + "\n"


CITATIONS = {
    "study": Citation(
        "Bonnasse-Gahot L, Pallier C",
        "fMRI predictors based on language models of increasing complexity recover brain left "
        "lateralization",
        "NeurIPS", 2024, "", "10.48550/arXiv.2405.17992",
    ),
    "data": Citation(
        "Li J, Bhattasali S, Zhang S, et al",
        "Le Petit Prince multilingual naturalistic fMRI corpus",
        "Scientific Data", 2022, "9:530", "10.1038/s41597-022-01625-7", "OpenNeuro ds003643",
    ),
    "hrf": Citation(
        "Glover GH",
        "Deconvolution of impulse response in event-related BOLD fMRI",
        "NeuroImage", 1999, "9:416-429", "10.1006/nimg.1998.0419",
    ),
    "fir": Citation(
        "Huth AG, de Heer WA, Griffiths TL, Theunissen FE, Gallant JL",
        "Natural speech reveals the semantic maps that tile human cerebral cortex",
        "Nature", 2016, "532:453-458", "10.1038/nature17637",
    ),
    "banded": Citation(
        "Nunez-Elizalde AO, Huth AG, Gallant JL",
        "Voxelwise encoding models with non-spherical multivariate normal priors",
        "NeuroImage", 2019, "197:482-492", "10.1016/j.neuroimage.2019.04.012",
    ),
    "betting": Citation(
        "Waudby-Smith I, Ramdas A",
        "Estimating means of bounded random variables by betting",
        "Journal of the Royal Statistical Society B", 2024, "86:1-27", "10.1093/jrsssb/qkad009",
    ),
    "ridge": Citation(
        "Hoerl AE, Kennard RW",
        "Ridge regression: biased estimation for nonorthogonal problems",
        "Technometrics", 1970, "12:55-67", "10.1080/00401706.1970.10488634",
    ),
    "resampled": Citation(
        "Nadeau C, Bengio Y",
        "Inference for the generalization error",
        "Machine Learning", 2003, "52:239-281", "10.1023/A:1024068626366",
    ),
    "clusters": Citation(
        "MacKinnon JG, Nielsen MO, Webb MD",
        "Cluster-robust inference: a guide to empirical practice",
        "Journal of Econometrics", 2023, "232:272-299", "10.1016/j.jeconom.2022.04.001",
    ),
    "nilearn": Citation(
        "Abraham A, Pedregosa F, Eickenberg M, et al",
        "Machine learning for neuroimaging with scikit-learn",
        "Frontiers in Neuroinformatics", 2014, "8:14", "10.3389/fninf.2014.00014",
    ),
    "transformers": Citation(
        "Wolf T, Debut L, Sanh V, et al",
        "Transformers: state-of-the-art natural language processing",
        "EMNLP System Demonstrations", 2020, "38-45", "10.18653/v1/2020.emnlp-demos.6",
    ),
    "glove": Citation(
        "Pennington J, Socher R, Manning CD",
        "GloVe: global vectors for word representation",
        "EMNLP", 2014, "1532-1543", "10.3115/v1/D14-1162",
    ),
    "oasm": Citation(
        "Feghhi E, Hadidi N, Song B, Blank IA, Kao JC",
        "What are large language models mapping to in the brain? A case against over-reliance on "
        "brain scores",
        "arXiv", 2024, "", "10.48550/arXiv.2406.01538",
    ),
    "nextflow": Citation(
        "Di Tommaso P, Chatzou M, Floden EW, et al",
        "Nextflow enables reproducible computational workflows",
        "Nature Biotechnology", 2017, "35:316-319", "10.1038/nbt.3820",
    ),
}  # fmt: skip
"""Key in square brackets in a sentence → reference."""


def paragraphs(plan: Plan, absent: Absent = NOBODY) -> tuple[list[str], dict[str, Citation]]:
    """Write the methods with numbered citations.

    Parameters
    ----------
    plan
        The plan of the run.
    absent
        Language → subjects that the group lacks.

    Returns
    -------
    paragraphs, references by their keys (in order of first mention)
    """
    gaps = INCOMPLETE if any(entry.has_gaps for entry in plan.languages) else ""
    texts = [
        f"{describe_data(plan)} {describe_preprocessing(plan, absent)}",
        describe_reliability(plan),
        f"{describe_models(plan)} {describe_baselines(plan)}",
        describe_encoding(plan),
        f"{describe_sides(plan)} {STATISTICS}{gaps} The pipeline runs under Nextflow [nextflow].",
    ]
    everything = " ".join(texts)
    used = sorted(
        (key for key in CITATIONS if f"[{key}]" in everything),
        key=lambda key: everything.index(f"[{key}]"),
    )
    for place, key in enumerate(used, start=1):
        texts = [text.replace(f"[{key}]", f"[{place}]") for text in texts]
    return texts, {key: CITATIONS[key] for key in used}
