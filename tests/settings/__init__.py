"""Settings: what is wrong is said before anything is read."""
