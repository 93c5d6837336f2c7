"""The words of a story: annotation, text, windows, and the tokens of each word (WORDS)."""
