# A file of ONNX Runtime's quantizer: the same grid anew, so outputs differ by a step at most, and every layer is on
# integer kernels.
"$QCONVERT" fix "$DATA/quantized/ort_qdq.onnx" --set /placement=full -o out
"$QCONVERT" compare "$DATA/quantized/ort_qdq.onnx" out/ort_qdq.quant.onnx --images "$SAMPLE/calib" --max-images 8 \
  --latency-rounds 0 --gate 'sqnr_db >= 35'
