"""What an instance says of itself: an OpenAPI document for programs, a page for people. Written when asked for."""
