"""What is body, what is background and what lies between: the connectivity prior."""
