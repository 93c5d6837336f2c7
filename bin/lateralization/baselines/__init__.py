"""Features that are not language models: random vectors, GloVe, confounds, a user's own."""
