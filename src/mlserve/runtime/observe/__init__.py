"""What is seen of an instance's requests besides their answers: metrics, traces, log, samples, drift, explanations."""
