# Names that are only known once the model has been read, or that the options make: external data on either side, calibration
# images, the file of --resume. None is replaced.
mkdir net
cp -r "$SAMPLE/calib" images
cp "$DATA/models/external_data_missing.onnx" net/m.resume
head -c 432 /dev/zero | tr '\0' '\061' > net/not_there.bin
image=$(basename "$(ls images/* | head -1)")
before=$(find images net -type f -exec sha256sum {} + | sort)
refused() {
  code=0
  "$QCONVERT" net/m.resume --images images -q "$@" || code=$?
  [ "$code" = 1 ] || fail "$* gave $code"
  [ "$before" = "$(find images net -type f -exec sha256sum {} + | sort)" ] || fail "$* changed what is read"
}
refused -o net --resume
shape='/representative_dataset/preprocess/resize={"stretch": [8, 8]}'
refused -o net --set /output/report_name=not_there.bin --set "$shape"
refused -o out --stamp net/not_there.bin --set "$shape"
refused -o images --set /output/report_name="$image" --set "$shape"
refused -o out --set /output/onnx_name=q.onnx --stamp out/q.onnx.data
"$QCONVERT" net/m.resume --images images -q -o out --set "$shape" > /dev/null
