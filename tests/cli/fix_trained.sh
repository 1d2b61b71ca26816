# As training frameworks export: float weights behind Q and DQ, scales of shape [1]. Both formats, and the float model.
# The .tflite is the judge: without VNNI, 16-bit sums of the ONNX file's integer kernels may saturate.
"$QCONVERT" fix "$DATA/quantized/qat_like.onnx" --format onnx,tflite -o out
"$QCONVERT" compare "$DATA/quantized/qat_like.onnx" out/qat_like.quant.tflite --images "$SAMPLE/calib" --max-images 8 \
  --latency-rounds 0 --gate 'sqnr_db >= 30' --gate 'max_abs_error <= 0.016'
"$QCONVERT" fix "$DATA/quantized/qat_like.onnx" --strip -o float
grep -q QuantizeLinear float/qat_like.quant.onnx && fail "something is still rounded"
true
