"""The driver of the benchmark suite. Standard library only."""
