quantize_sample --target imt8
