quantize_sample --format onxx
