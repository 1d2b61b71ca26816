# What stock ONNX Runtime does not load cannot be timed.
quantize_sample --target imx500 --set /output/onnx/form=mctq --set /gates/min_speedup=1
