# A picture of a size that the network cannot take: the size is named, and the remedy works.
quantize() { quantize_with "$DATA/models/even_sides.onnx" "{\"representative_dataset\": {\"path\": \"$SAMPLE/calib\", \"max_images\": 8, \"preprocess\": {\"resize\": $1}}}" -q; }
quantize '{"stretch": [31, 32]}' && fail "31 is odd"
quantize '"none", "multiple_of": 2' > report.txt
