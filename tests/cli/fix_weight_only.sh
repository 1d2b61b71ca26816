# A file whose weights alone are integers rounds nothing at run time, and has no scales to take over: the remedy is the
# float model behind it.
quantize_sample --set /mode=weight_only --set /weight_only/block_size=32 --set /weight_only/runtime=packed \
  --set '/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 4}]' -q > /dev/null
mv out/model.quant.onnx packed.onnx
rm -r out
"$QCONVERT" fix packed.onnx -o out
