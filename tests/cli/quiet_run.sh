# -q: stderr is empty, the report still stands on stdout.
quantize_sample -q
