# The report cannot take its place: the model beside it must not stay as if all had gone well.
mkdir -p out/model.report.json/in_the_way
quantize_sample || code=$?
[ ! -e out/model.quant.onnx ] || fail "the model was written"
rm -r out
exit ${code:-0}
