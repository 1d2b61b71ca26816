# Of NNCF: BatchNormalization between the weights' grid and the next rounding, and activations with a scale for each
# channel in front of a depthwise layer. Every weight keeps its integers, and all layers that the file rounds are on
# integer kernels.
"$QCONVERT" fix "$DATA/quantized/nncf.onnx" -o out
"$QCONVERT" compare "$DATA/quantized/nncf.onnx" out/nncf.quant.onnx --images "$SAMPLE/calib" --max-images 8 \
  --latency-rounds 0 --gate 'sqnr_db >= 40'
