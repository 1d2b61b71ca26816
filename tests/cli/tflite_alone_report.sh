# The report of a .tflite alone speaks of its kernels: they add in 32 bits, and compute a HardSwish on integers.
quantize_sample --format tflite
