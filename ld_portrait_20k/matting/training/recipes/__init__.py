"""Recipes: the settings that made the weights of this package, and the data they need."""
