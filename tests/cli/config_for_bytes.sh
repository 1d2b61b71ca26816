# A first config for a model that takes pixels as bytes is one that the conversion accepts.
"$QCONVERT" config --for "$DATA/models/byte_pixels.onnx" > quant.json
cp -r "$SAMPLE/calib" calib
"$QCONVERT" "$DATA/models/byte_pixels.onnx" --config quant.json -o out -q --set /gates/min_sqnr_db=1 --set /representative_dataset/max_images=8
