# Float against quantized on labelled pictures: agreement and both accuracies are there.
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out > report.txt
"$QCONVERT" compare "$SAMPLE/model.onnx" out/model.quant.onnx --config "$SAMPLE/config.json" --images "$SAMPLE/eval" --labels "$SAMPLE/labels.csv"
