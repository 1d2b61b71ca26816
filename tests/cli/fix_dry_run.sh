# A dry run shows what fix would write, in every way that asks for it, and writes nothing.
model=$DATA/quantized/ort_qdq.onnx
dry() { "$QCONVERT" "$@" -o out --dry-run; }
dry fix "$model"
dry fix "$model" --strip
dry "$model" --set /mode=strip
test ! -e out || fail "a dry run wrote $(ls out)"
