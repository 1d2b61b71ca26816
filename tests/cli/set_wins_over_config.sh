# The command line wins over the config.
quantize_sample --set /output/onnx_name=renamed.onnx
test -s out/renamed.onnx
test ! -e out/model.quant.onnx
