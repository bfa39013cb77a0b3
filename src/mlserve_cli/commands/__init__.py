"""Verbs: a file is a verb, a folder a group of verbs; ``command`` in it is what runs."""
