"""Words about layers."""

import pandas as pd
import pytest

from lateralization.figures.layer_figures import depth_of_mamba


@pytest.mark.parametrize(
    ("families", "said"),
    [(["gpt2", "opt"], False), (["gpt2", "mamba"], True), (["falcon_mamba"], True)],
)
def test_models_that_keep_no_embedding_are_told_of_where_they_are_drawn(
    families: list[str], said: bool
) -> None:
    text = depth_of_mamba(pd.DataFrame({"family": families}))
    assert ("its last two states are one" in text) == said
    assert bool(text) == said
