"""See how a new version takes over, and let it go on or go back."""
