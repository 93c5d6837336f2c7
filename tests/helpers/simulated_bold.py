"""A simulated group on any set of voxels."""

import numpy as np

from lateralization.simulation.responses import make_forward, planted_signal, subject_run


def simulate_bold(designs, world, coordinates, n_subjects, seed):
    """Return a list over subjects of lists over runs of (n_scans, n_voxels), not filtered."""
    forward = make_forward(world, designs, coordinates, seed)
    signals = [planted_signal(forward, design) for design in designs]

    def run_of(subject, run):
        rng = np.random.default_rng([seed, 4, subject, run])
        return subject_run(forward, signals, subject, run, rng)

    runs = range(1, len(designs) + 1)
    return [[run_of(subject, run) for run in runs] for subject in range(n_subjects)]
