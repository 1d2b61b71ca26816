# A file of QLinear ops: read the same way.
"$QCONVERT" fix "$DATA/quantized/ort_qoperator.onnx" --set /placement=full -o out
"$QCONVERT" compare "$DATA/quantized/ort_qoperator.onnx" out/ort_qoperator.quant.onnx --images "$SAMPLE/calib" \
  --max-images 8 --latency-rounds 0 --gate 'sqnr_db >= 20'
