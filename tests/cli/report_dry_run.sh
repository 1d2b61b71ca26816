quantize_sample --report html --dry-run
