"""One iteration put together: metrics, the assembly, its documents, bundles, differences, the review."""
