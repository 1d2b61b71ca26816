"$QCONVERT" inspect "$SAMPLE/model.onnx" --against "$DATA/tflite/classifier.tflite"
