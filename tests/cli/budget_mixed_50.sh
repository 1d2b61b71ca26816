# The preset's budget: constants as written are within half of those of 8 bits and use it well, widths differ between
# layers, and the choice is no worse than the uniform one beside it. Widths set by hand stay as they are.
quantize_sample --set /placement=full -q > /dev/null
constants() {  # bytes of a report's file rows that are data
  awk '/"rows": \[/ { inside = 1 } inside && /^      \]/ { inside = 0 }
       inside && /"bytes":/ { gsub(/[^0-9]/, ""); bytes = $0 }
       inside && /"kind": "(weights|bias|scales|constants)"/ { sum += bytes } END { print sum + 0 }' out/model.report.json
}
eight=$(constants)
budget=$(sed -n 's/.*"target_resource_utilization": //p' "$DATA/../../configs/mixed_50.json")
quantize_sample --set /placement=full --set "/target_resource_utilization=$budget" \
  --set '/bit_width_config=[{"filter": {"first": true}, "weights_n_bits": 8}]' -q > /dev/null
four=$(constants)
[ "$four" -le $((eight / 2)) ] || fail "$four bytes of $((eight / 2)) allowed"
[ "$four" -ge $((eight * 97 / 200)) ] || fail "$four bytes of $((eight / 2)) allowed: more than 3 % unused"
[ "$(grep -o '"weight_bits": [0-9]*' out/model.report.json | sort -u | wc -l)" -ge 3 ] || fail "no mixture of widths"
awk '/"frontier": \[/ { inside = 1 } inside && /^  \]/ { exit }
     inside && /"chosen":/ { chosen = /true/ } inside && /"sqnr_db":/ { gsub(/[^0-9.-]/, ""); if (chosen) best = $0; if ($0 > most) most = $0 }
     END { exit !(best != "" && best + 0 >= most + 0) }' out/model.report.json || fail "a better one was tried and not kept"
