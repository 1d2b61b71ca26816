# Files of one name are told apart by the folders that they lie in, and only those.
mkdir -p one/x two/x
cp "$SAMPLE/model.onnx" one/x/net.onnx
cp "$SAMPLE/model.onnx" two/x/net.onnx
cp "$SAMPLE/model.onnx" other.onnx
"$QCONVERT" compare other.onnx one/x/net.onnx two/x/net.onnx --config "$SAMPLE/config.json" --images "$SAMPLE/eval" --max-images 2 \
  --latency-rounds 0 -q
"$QCONVERT" inspect one/x/net.onnx --against two/x/net.onnx | head -1
"$QCONVERT" inspect other.onnx --against two/x/net.onnx --report json | grep '"[ab]": "[^"]*onnx"'
"$QCONVERT" inspect other.onnx --against other.onnx | head -1
