quantize_sample --explain blok2/add
