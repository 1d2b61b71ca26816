# A grid that reaches beyond a Clip (its range is a power of two) does not do the Clip's work: the Clip stays.
quantize_sample --target tflite -q > /dev/null
mv out qdq
quantize_sample --target tflite --set /output/onnx/form=qoperator -q > /dev/null
"$QCONVERT" compare qdq/model.quant.onnx out/model.quant.onnx --config "$SAMPLE/config.json" --images "$SAMPLE/eval" --max-images 20 \
  --latency-rounds 0 --gate 'sqnr_db >= 25'
