# What fix would not do is said, all at once, before anything is read.
"$QCONVERT" fix "$DATA/quantized/ort_qdq.onnx" -o out -q --set /gates/min_sqnr_db=30 --set /saturation_guard=true --set /mode=dynamic --diagnose --dump stats \
  --set '/debug_config/network_editor=[{"filter": {"name": "*"}, "action": {"activation_n_bits": [8, 16]}}]' \
  --set /output/onnx/form=mctq
