"""The parts of RESAMPLE on runs that are in memory: the whole run is one block."""

from lateralization.fmri.resample import ConstantVoxels, Resampler


def resample_run(data, affine):
    """Resample (x, y, z, scans) to (37, 46, 38, scans)."""
    resampler = Resampler(data.shape, affine)
    resampler.add(data)
    return resampler.result()


def constant_map(data, affine):
    """Mark the voxels of the target grid without signal in (x, y, z, scans)."""
    constant = ConstantVoxels(data.shape, affine)
    constant.add(data)
    return constant.result()
