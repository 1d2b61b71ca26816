# A file of the form fake_quant rounds activations with a vector of equal scales: they are one scale, and taken over.
quantize_sample --target imx500 --set /output/onnx/form=fake_quant -q > /dev/null
"$QCONVERT" fix out/model.quant.onnx --set /placement=full -o again -q > /dev/null
"$QCONVERT" compare out/model.quant.onnx again/model.quant.quant.onnx --images "$SAMPLE/calib" --max-images 8 \
  --latency-rounds 0 --gate 'sqnr_db >= 25'
