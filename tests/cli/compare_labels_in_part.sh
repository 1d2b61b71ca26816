# Pictures without a label and labels without a picture: both counted, the first of each named.
mkdir pictures
for picture in $(ls "$SAMPLE/eval" | head -6); do cp "$SAMPLE/eval/$picture" pictures/; done
cp "$SAMPLE/calib/$(ls "$SAMPLE/calib" | head -1)" pictures/zz_without.jpg
"$QCONVERT" compare "$SAMPLE/model.onnx" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --images pictures --latency-rounds 0 --labels "$SAMPLE/labels.csv"
