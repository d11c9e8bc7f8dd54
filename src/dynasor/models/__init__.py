"""The embedded model: weights in two formats, its card, its question sets, and how it wants to be prompted."""
