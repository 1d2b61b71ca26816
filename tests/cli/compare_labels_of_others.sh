# Labels of other pictures: how many do not match, and the first of them.
printf "file,class_index\nx.jpg,3\n" > labels.csv
"$QCONVERT" compare "$SAMPLE/model.onnx" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --images "$SAMPLE/calib" --max-images 8 --labels labels.csv
