# A file that rounds at run time has no scales to take over: neither the conversion nor fix sends the reader to the
# other. The float model behind it is there, and can be converted.
model=$DATA/models/already_dynamic.onnx
"$QCONVERT" fix "$model" --strip -o float > /dev/null
"$QCONVERT" inspect float/already_dynamic.quant.onnx | grep -q '  1 nodes: 1 Conv\|  1 node: 1 Conv' || fail "it is not float"
quantize_with float/already_dynamic.quant.onnx "{}" --images "$SAMPLE/calib" --set /representative_dataset/max_images=4 -q --dry-run > /dev/null
quantize_with "$model" "{}" --images "$SAMPLE/calib" && fail "it was converted"
rm -r float
"$QCONVERT" fix "$model" -o out
