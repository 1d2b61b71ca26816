# Float, quantized ONNX and .tflite side by side; the last may as well stand first.
quantize_sample --format onnx,tflite -q > report.txt
"$QCONVERT" compare "$SAMPLE/model.onnx" out/model.quant.onnx out/model.quant.tflite --config "$SAMPLE/config.json" --images "$SAMPLE/eval" \
  --labels "$SAMPLE/labels.csv" --per-class --gate 'top1_drop <= 2' --gate 'sqnr_db >= 20 dB' --gate 'size_ratio < 0.5'
"$QCONVERT" compare out/model.quant.tflite out/model.quant.onnx --config "$SAMPLE/config.json" --images "$SAMPLE/eval" --max-images 20
