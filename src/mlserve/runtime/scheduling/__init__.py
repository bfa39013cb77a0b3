"""From a decoded request to the model and back: the queue, batches, workers, and what they cost."""
