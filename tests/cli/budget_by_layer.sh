# MCT's own measure of sensitivity, and what shapes it: the pick by it is built, and under refinement the uniform widths
# stand beside it. Another measure refuses what shapes this one.
by_layer() {
  quantize_sample --set /placement=full --set '/target_resource_utilization/weights_memory=60%' \
    --set /mixed_precision_config/sensitivity=layer --set /mixed_precision_config/num_of_images=8 "$@" -q
}
widths() { grep -o '"weight_bits": [0-9]*' out/model.report.json; }
by_layer > /dev/null
grep -q '"name": "[2-8] bits everywhere"' out/model.report.json || fail "no uniform widths were tried"
awk '/"frontier": \[/ { inside = 1 } inside && /^  \]/ { exit }
     inside && /"chosen":/ { chosen = /true/ } inside && /"sqnr_db":/ { gsub(/[^0-9.-]/, ""); if (chosen) best = $0; if ($0 > most) most = $0 }
     END { exit !(best != "" && best + 0 >= most + 0) }' out/model.report.json || fail "a better one was tried and not kept"
for weighting in AVG HESSIAN; do
  by_layer --set /mixed_precision_config/refine_mp_solution=false \
    --set "/mixed_precision_config/distance_weighting_method=$weighting" > /dev/null
  grep -q 'proven best by the measured sensitivities' out/model.report.json || fail "not solved"
  widths > "$weighting.bits"
done
cmp -s AVG.bits HESSIAN.bits && fail "the weighting changed no width"
quantize_sample --set /mixed_precision_config/distance_weighting_method=EXP 2> refused.txt && fail "EXP without its measure"
grep -q "it shapes MCT's layer-by-layer distances" refused.txt || fail "no word about it"
