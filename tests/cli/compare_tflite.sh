# A .tflite judged without its runtime: against the float model, and against the ONNX file of the same plan.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --format onnx,tflite -o out > report.txt
compare() { "$QCONVERT" compare "$1" "$2" --config "$SAMPLE/config.json" --images "$SAMPLE/eval" --labels "$SAMPLE/labels.csv"; }
compare "$SAMPLE/model.onnx" out/model.quant.tflite
compare out/model.quant.onnx out/model.quant.tflite
