# A first config for a model: it is read as it is printed, once the folder of pictures is there.
"$QCONVERT" config --for "$SAMPLE/model.onnx" > quant.json
cat quant.json
cp -r "$SAMPLE/calib" calib
"$QCONVERT" "$SAMPLE/model.onnx" --config quant.json -o out -q --set /gates/min_sqnr_db=1 > report.txt
