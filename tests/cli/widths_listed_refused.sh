# A list of widths on a target with one width and no floats beside it.
quantize_sample --target qnn --set '/bit_width_config=[{"filter": {"name": "*"}, "activation_n_bits": [8, 16]}]'
