"""Issue tokens for services, and end them."""
