# The same folder with "on_bad_image": "skip" goes on with the rest and says so.
mkdir pictures
cp "$SAMPLE"/calib/0[01]?.* pictures/
head -c 300 "$SAMPLE/calib/000.jpg" > pictures/cut.jpg
printf "not a picture" > pictures/letter.png
sed "s|\"path\": \"calib\"|\"path\": \"pictures\", \"on_bad_image\": \"skip\"|" "$SAMPLE/config.json" > config.json
"$QCONVERT" "$SAMPLE/model.onnx" --config config.json -o out
test -s out/model.quant.onnx
