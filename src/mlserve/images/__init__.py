"""Our own images: what goes into one, as data. Pure: building and sending is what a backend does."""
