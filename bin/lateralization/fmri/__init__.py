"""From BOLD runs to time courses: resampling, masks, cleaning, averages, reliability, HRF."""
