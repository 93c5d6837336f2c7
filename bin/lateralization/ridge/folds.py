"""Which stories are tested, validated and trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lateralization.arrays import Array
from lateralization.errors import BadInput
from lateralization.ridge.choices import InnerValidation
from lateralization.ridge.systems import Case, Runs


@dataclass(frozen=True)
class FoldDesign:
    """The stories behind the runs of a subject.

    Attributes
    ----------
    stories : tuple of tuples of int
        Places of each story's runs: one, or one for each repetition.
    test : frozenset of int
        Places of the stories that never train.
    """

    stories: tuple[Runs, ...]
    test: frozenset[int] = frozenset()

    def weights(self) -> dict[int, float]:
        """Return the weight of each run in training: 1 / repetitions of its story."""
        return {run: 1 / len(runs) for runs in self.stories for run in runs}


def one_run_each(n_runs: int) -> FoldDesign:
    """Return the design in which every run is a story of its own."""
    return FoldDesign(tuple((run,) for run in range(n_runs)))


def weighted(runs: Sequence[Array], design: FoldDesign) -> list[Array]:
    """Multiply the rows of each run by the square root of its weight.

    The ridge regression of weighted rows is that of rows multiplied so, of features and responses
    alike, and Pearson's r does not see a factor. Runs of weight 1 stay the arrays that they are.
    """
    factors = {run: np.sqrt(weight) for run, weight in design.weights().items()}
    return [
        run if factors[place] == 1 else run * run.dtype.type(factors[place])
        for place, run in enumerate(runs)
    ]


@dataclass(frozen=True)
class Fold:
    """One test story, its validation stories, and the runs trained on after the search.

    Attributes
    ----------
    story : int
        Place of the test story.
    test : tuple of int
        Its runs.
    validations : tuple of tuples of int
        Runs of each validation story.
    outer : tuple of int
        Runs of all training stories.
    """

    story: int
    test: Runs
    validations: tuple[Runs, ...]
    outer: Runs

    def cases(self) -> list[Case]:
        """Return the fits of the search: each validation story after training on the others.

        One for each run of a validation story, story by story.
        """
        return [
            Case(tuple(run for run in self.outer if run not in held), target)
            for held in self.validations
            for target in held
        ]


def nested_folds(design: FoldDesign, inner_validation: InnerValidation = "one_run") -> list[Fold]:
    """Return the folds, one for each story: the study's validation is the first training story.

    Raises
    ------
    BadInput
        Fewer than 3 stories train: one to test, one to validate and one to train on are needed.
    """
    training = [story for story in range(len(design.stories)) if story not in design.test]
    if len(training) < 3:
        raise BadInput(
            "nested cross-validation needs at least 3 runs of different stories to train on, "
            f"the data have {len(training)}"
        )
    folds = []
    for story, test in enumerate(design.stories):
        others = [design.stories[other] for other in training if other != story]
        validations = others[:1] if inner_validation == "one_run" else others
        outer = tuple(sorted(run for runs in others for run in runs))
        folds.append(Fold(story, test, tuple(validations), outer))
    return folds
