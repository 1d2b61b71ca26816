quantize_sample --explain "block2/depthwise/*"
