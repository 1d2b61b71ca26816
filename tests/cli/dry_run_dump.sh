# A dry run has a plan to show, but no statistics.
quantize_sample --dry-run --dump plan
quantize_sample --dry-run --dump stats
