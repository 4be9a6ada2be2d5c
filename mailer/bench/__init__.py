"""The project's own benchmarks: each prints its figure with the peer or limit measured in the same run."""
