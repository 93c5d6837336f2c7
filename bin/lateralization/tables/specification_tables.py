"""Tables of the specification curve."""

from collections.abc import Mapping

import numpy as np

from lateralization.arrays import Row
from lateralization.statistics.specifications import Reading, Specification, curve, influence
from lateralization.tables.fits import AVERAGE, MODEL
from lateralization.tables.model_tables import groups
from lateralization.tables.summaries import Summary

Readings = Mapping[tuple[str, str, str], Mapping[Specification, float]]
"""(language, subject, model) → what ``specify`` gave."""


def specification_rows(summaries: list[Summary], readings: Readings) -> dict[str, list[Row]]:
    """Give the rows of the tables ``specifications`` and ``specification_choices``.

    Families are left out in turn for the average subject only: the tables of individuals would
    be as many times longer as there are families.
    """
    rows: dict[str, list[Row]] = {"specifications": [], "specification_choices": []}
    for (language, subject), members in groups(summaries).items():
        models = [
            Reading(float(np.log(one.fit.n_parameters)), one.fit.family, readings[one.fit.key])
            for one in members
            if one.fit.kind == MODEL and one.fit.n_parameters > 0
        ]
        place = {"language": language, "subject": subject}
        found = curve(models, by_family=subject == AVERAGE)
        rows["specifications"] += [place | row for row in found]
        rows["specification_choices"] += [place | row for row in influence(found)]
    return rows
