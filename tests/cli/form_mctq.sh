# MCT's nodes for the IMX500 converter; the report has the figures of what stock ONNX Runtime can run in its place.
quantize_sample --target imx500 --set /output/onnx/form=mctq --report json > report.json
for op in mct_quantizers WeightsSymmetricQuantizer ActivationPOTQuantizer; do
  grep -q "$op" out/model.quant.onnx || fail "no $op"
done
if grep -q QuantizeLinear out/model.quant.onnx; then fail "QuantizeLinear beside MCT's nodes"; fi
grep -q '"worst_sqnr_db": [12]' report.json || fail "no figures"
