# Of AMD Quark: grids around 128 behind a Relu as well, which no integer kernel would take as they are, scales that are
# powers of two (XINT8), Q and DQ of com.microsoft (A8W8). Every weight keeps its integers and all layers are on integer
# kernels, on grids twice as fine: that much lies between the files. XINT8 also rounds twice behind its pooling, coarsely
# first; the finer grid is kept.
for name in quark_xint8 quark_a8w8; do
  "$QCONVERT" fix "$DATA/quantized/$name.onnx" -o out >report.txt
  grep -q 'integer kernels: 3 of 3' report.txt
  grep -q '3 of 3 weights keep' report.txt
done
judged() {
  "$QCONVERT" compare "$DATA/quantized/$1.onnx" "out/$1.quant.onnx" --images "$SAMPLE/calib" --max-images 8 \
    --latency-rounds 0 --gate "sqnr_db >= $2"
}
judged quark_xint8 20
judged quark_a8w8 30
