# What no depfile can name, and a depfile that has no folder, are said before the work begins.
mkdir 'a=b' out
cp -r "$SAMPLE/calib" 'a=b/calib'
cp "$SAMPLE/model.onnx" 'a=b/m.onnx'
cp "$SAMPLE/model.onnx" 'a;b.onnx'
"$QCONVERT" 'a=b/m.onnx' --images a=b/calib -o out --depfile out.d -q && fail "named with ="
"$QCONVERT" 'a;b.onnx' --config "$SAMPLE/config.json" -o out --depfile out.d -q && fail "named with ;"
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out --depfile not/here/out.d --stamp nor/here/s -q && fail "no folder"
test -z "$(ls out)" || fail "something was written"
