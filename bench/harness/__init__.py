"""What the benchmarks share: launch, verification, timing beside the peak, report."""
