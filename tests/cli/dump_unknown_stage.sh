quantize_sample --dump plam
