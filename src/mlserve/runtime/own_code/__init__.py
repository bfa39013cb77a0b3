"""The user's own code as a processor: a class of ours, a plain function, or one written for EAS or KServe."""
