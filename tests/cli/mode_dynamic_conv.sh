# Convolutions stay in float with int8 weights, and the report says why.
"$QCONVERT" "$SAMPLE/model.onnx" --set /mode=dynamic -o out
