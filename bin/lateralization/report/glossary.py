"""Words of the field and of this pipeline, for the page and for ``docs/glossary.md``."""

GLOSSARY = {
    "alpha": (
        "The ridge penalty: how strongly the weights of an encoding model are kept small. "
        "Chosen on training runs alone."
    ),
    "average subject": (
        "The mean over people of the time course of each voxel. Averaging removes noise, so its"
        " brain scores are high."
    ),
    "baseline": (
        "Features that know no or little language, fitted like a model: random vectors, GloVe, "
        "word rate, word length …"
    ),
    "BOLD": (
        "The signal of functional MRI: it follows the oxygenation of the blood, and so the "
        "activity of neurons, by some seconds."
    ),
    "brain score": (
        "Pearson correlation (r) between a voxel's time course in a run that the model was not "
        "fitted to and its prediction, averaged over test runs."
    ),
    "ceiling": (
        "How well a voxel could be predicted at best, given its noise; estimated from the "
        "reliability."
    ),
    "encoding model": (
        "A linear model that predicts the time course of each voxel from features of what is "
        "heard: here from a layer of a language model."
    ),
    "fit": "One model or baseline, fitted to one subject (or the average) of one language.",
    "HRF": (
        "Haemodynamic response function: the course of the BOLD signal after a short event; "
        "words become regressors by convolution with it."
    ),
    "ISC, reliability": (
        "Inter-subject correlation: here how well one random half of the listeners predicts the"
        " other, voxel by voxel."
    ),
    "lateralization, left minus right": (
        "The mean brain score of the left hemisphere minus that of the right; above zero the "
        "left is predicted better."
    ),
    "layer": "One of the hidden states of a model; layer 0 is the embedding of words.",
    "ln N": (
        "The natural logarithm of a model's number of parameters: its size. A slope on it is a "
        "change per 2.7-fold size."
    ),
    "midline": (
        "shared: the voxels of the midline plane are dealt out to both sides, as in the study; "
        "strict: they are left out."
    ),
    "mirror image": (
        "The voxel at the same place on the other side, x against −x. In a template that is not "
        "symmetric it need not be the homologous place of the cortex."
    ),
    "reliable voxels": "Those whose reliability is above its 75th percentile.",
    "ROI": "Region of interest: a sphere around a published centre, and its mirror image.",
    "run": (
        "A stretch of scanning without a break, in which a person hears a story or a part of it; "
        "nine in the study. Models are fitted on all others and tested on it, in turn."
    ),
    "untrained model": (
        "A model with the architecture of a trained one and random weights: it has read nothing."
    ),
    "voxel": "A cube of the image, 4 mm wide after resampling.",
    "window": "The words that a model reads at a time.",
}
"""Word → its meaning, in the order of the alphabet."""
