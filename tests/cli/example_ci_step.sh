# configs/examples/ci_step.sh, as it stands.
mkdir bin step
ln -s "$QCONVERT" bin/qconvert
cp "$SAMPLE/model.onnx" "$SAMPLE/labels.csv" step/
cp -r "$SAMPLE/calib" "$SAMPLE/eval" step/
sed 's|"path": *"[^"]*"|"path": "calib"|' "$SAMPLE/config.json" > step/quant.json
cd step
PATH=$PWD/../bin:$PATH sh "$SAMPLE/../../../configs/examples/ci_step.sh"
test -s build/model.quant.onnx
