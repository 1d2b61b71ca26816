quantize_sample --threads many
