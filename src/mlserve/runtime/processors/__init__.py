"""The model formats: one file each, its name the word in a descriptor. See `base` for what one offers."""
