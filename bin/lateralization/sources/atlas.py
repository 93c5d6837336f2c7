"""The atlas (Harvard-Oxford, or the user's own): brought by FETCH, read by LATERALIZE.

A module of its own because nilearn brings the atlas, not the cache of downloads.
"""

import csv
import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lateralization.disk import disk_problem
from lateralization.errors import BadInput
from lateralization.files import write_json, writing
from lateralization.fmri.atlas import IMAGE, LABELS, REASON, TABLES, check_atlas, labels_beside
from lateralization.nifti import is_packed
from lateralization.volumes import save_volume

NAME = "cort-maxprob-thr0-2mm"
"""The study's atlas: cortical maximum probability, no threshold, 2 mm, split into sides."""


def place_atlas(sources: Sequence[Path], cache: Path, out: Path) -> None:
    """Bring the atlas to ``out``: image and labels, or ``atlas.json`` that says why not.

    Parameters
    ----------
    sources
        The user's own NIfTI of labels and a TSV or CSV with ``index`` and ``name``; empty:
        fetched by nilearn, into the cache.

    Raises
    ------
    BadInput
        The user's own files are incomplete, or see :func:`check_atlas`.
    """
    if sources:
        _own(sources, out)
        return
    try:
        from nilearn.datasets import fetch_atlas_harvard_oxford

        found = fetch_atlas_harvard_oxford(
            NAME, symmetric_split=True, data_dir=str(cache / "atlas"), verbose=0
        )
    except Exception as error:  # whatever the site's failure is, the run goes on without areas
        kind = disk_problem(error, cache / "atlas" / NAME) or type(error).__name__
        reason = (
            f"the Harvard-Oxford atlas could not be fetched ({kind}); run once more without -resume"
            ", or give it with --atlas (--atlas none: no areas are wanted)"
        )
        write_json({"reason": reason}, out / REASON)
        return
    labels = [(number, str(name)) for number, name in enumerate(found.labels) if number]
    data = np.asarray(found.maps.dataobj).astype(np.int16)
    save_volume(data, found.maps.affine, out / IMAGE)
    _write_labels(labels, out / LABELS)


def _own(sources: Sequence[Path], out: Path) -> None:
    image = next(path for path in sources if path.suffix not in TABLES)
    table = next((path for path in sources if path.suffix in TABLES), labels_beside(image))
    if not table.exists():
        raise BadInput(f"--atlas: {table} is missing; it names the labels (index, name)")
    names = check_atlas(image, table)
    with writing(out / IMAGE) as temporary, image.open("rb") as handle:
        if is_packed(image):
            shutil.copyfile(image, temporary)
        else:
            with gzip.GzipFile(temporary, "wb", mtime=0) as packed:
                shutil.copyfileobj(handle, packed)
    _write_labels(sorted(names.items()), out / LABELS)


def _write_labels(labels: Sequence[tuple[int, str]], path: Path) -> None:
    with writing(path) as temporary:
        with temporary.open("w", encoding="utf-8", newline="") as handle:
            table = csv.writer(handle, delimiter="\t", lineterminator="\n")
            table.writerows([("index", "name"), *labels])
