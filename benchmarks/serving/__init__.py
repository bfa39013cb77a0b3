"""The parts of a comparison between servers: environments, models, load, figures."""
