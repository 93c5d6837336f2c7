"""What the report says of left and right, scores, hemispheres, intervals and regressions."""

from lateralization import wording
from lateralization.run_plan import LanguagePlan, Plan

STATISTICS = (
    "Published-style numbers take each voxel’s best layer and split the mask’s voxels into "
    "two halves that share the midline [study]; beside them stand scores with the layer "
    "chosen on other runs than it is scored on, and hemispheres without the midline. "
    "Asymmetries are unpaired differences of hemisphere means. The claim was fixed before the run. "
    "Its interval adds the variances of the slope over models, over test runs and, where "
    "individuals are its subjects, over people, counts what is chance of one model in one run of "
    "one person once, and has Satterthwaite’s degrees of freedom; with five families of models or "
    "more, families are the units over models [clusters], with two to four each has its own "
    "intercept. All other results are exploratory. Their intervals are Student’s t over test runs, "
    "over models or over people; those of the controls (regions, sides, families, twins, score and "
    "size) are over models and test runs together, with errors of the scores, estimated from the "
    "runs, taken off. Over voxels are only the bands of regions and the stars of areas, kept in "
    "the published style. Training steps of one model are compared by their first differences. "
    "Test runs share training runs: intervals and tests over test runs are corrected for it "
    "[resampled]; in simulation they cover 97 to 98 %, uncorrected 87 to 93 %. Models of one "
    "family are related, and all are scored on one brain, so intervals over models alone may be "
    "too narrow. Effects of size are regressions on the natural logarithm of the number of "
    "parameters."
)

INCOMPLETE = (
    " Where people heard different stories, scores are matched by story, each person counts alike "
    "in the claim, and its interval is that of an incomplete crossed design."
)


def mirror_text(plan: Plan) -> str:
    """Say whether a voxel's mirror image is its homologue."""
    if plan.truth is not None:
        return "The simulated brains are symmetric: a voxel’s mirror image is its homologue."
    if plan.template is None:
        return (
            "The data set does not say which template its images are in: where that is not "
            "symmetric, a voxel’s mirror image need not be its homologue."
        )
    if plan.template.symmetric:
        says = "which is symmetric: a voxel’s mirror image is its homologue."
    else:
        says = (
            "which is not symmetric: a voxel’s mirror image need not be its homologue, and "
            "differences of anatomy enter every difference between the sides."
        )
    return f"Images are in the space of {plan.template.name}, {says}"


def _hands_text(entry: LanguagePlan) -> str:
    words = {"right": "right-handed", "left": "left-handed", "ambidextrous": "ambidextrous",
             "unknown": "of unknown handedness"}  # fmt: skip
    counts = [f"{n:,} {words[hand]}" for hand, n in entry.handedness.items()]
    people = wording.plural(len(entry.subjects), "subject")
    return f"Of the {people} in {entry.name}: {', '.join(counts)}."


def describe_sides(plan: Plan) -> str:
    """Describe what left and right are: the template, handedness, pairs of areas."""
    parts = [mirror_text(plan)]
    parts += [_hands_text(entry) for entry in plan.languages if entry.handedness]
    if plan.atlas is not None:
        parts.append(
            "Areas of an atlas are compared where one side lies in the place of the other’s mirror "
            "image and is of similar size."
        )
    return " ".join(parts)
