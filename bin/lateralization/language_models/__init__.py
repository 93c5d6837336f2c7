"""Load language models and extract the hidden states of the words of a story (ACTIVATIONS)."""
