"""What all packages share: files that are whole or absent, locks, progress, command lines."""
