quantize_sample --dump plan
