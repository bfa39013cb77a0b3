"""Several steps in one process: each one's arrays are handed to the next as they are."""
