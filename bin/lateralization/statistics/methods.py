"""What the report says of scores, hemispheres, intervals and regressions."""

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
