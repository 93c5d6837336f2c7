"""What the report says of baselines, confounds and features made elsewhere."""

from lateralization.baselines import oasm
from lateralization.baselines.confounds import ALL as CONFOUNDS
from lateralization.baselines.own_features import KIND as FEATURES
from lateralization.run_plan import Plan


def describe_baselines(plan: Plan) -> str:
    """Describe what was fitted in addition to the models."""
    kinds = {entry.kind for entry in plan.baselines}
    controls = []
    if "random_vector" in kinds:
        controls.append("a random vector for every word")
    if "random_embedding" in kinds:
        controls.append("a random vector for every distinct word")
    if "glove" in kinds:
        controls.append("GloVe vectors [glove]")
    if oasm.KIND in kinds:
        controls.append(
            f"{len(oasm.SEEDS)} draws of an orthogonal autocorrelated sequence (rows of scans that "
            "are alike within a run and unrelated between runs, and predict nothing unless the "
            "folds leak [oasm])"
        )
    shared = [entry.name for entry in plan.baselines if entry.kind in CONFOUNDS]
    own = [entry.name for entry in plan.baselines if entry.kind == FEATURES]
    text = f"Baselines were {', '.join(controls)}." if controls else "No baseline was fitted."
    if shared:
        text += f" Confounds, one number for each word, were fitted alone: {', '.join(shared)}."
    if own:
        text += f" Features made elsewhere were fitted in the same way: {', '.join(own)}."
    return text
