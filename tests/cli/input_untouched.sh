# The model, its folder and the pictures are what they were: same bytes, nothing beside them.
cp -r "$SAMPLE" sample
before=$(find sample -type f -exec sha256sum {} + | sort)
"$QCONVERT" sample/model.onnx --config sample/config.json -o out --set /representative_dataset/max_images=8
[ "$before" = "$(find sample -type f -exec sha256sum {} + | sort)" ] || fail "the input folder has changed"
