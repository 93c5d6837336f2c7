"""BIDS trees: what names of files say, which of them are runs, and what lies beside them."""
