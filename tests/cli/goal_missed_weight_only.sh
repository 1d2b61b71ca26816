# Where activations stay float a missed goal names the layers whose weights cost most; the rule of the remedy, written
# into the config as it stands there, reaches the goal.
run() {
  quantize_sample --set /mode=weight_only --set /weight_only/bits=2 "$@"
}
run > first.txt
grep -A3 'goal is 20' first.txt
rules=$(sed -n 's/.*"bit_width_config": \(\[.*\]\)$/\1/p' first.txt | head -1)
[ -n "$rules" ] || fail "no rule: $(cat first.txt)"
run --set "/bit_width_config=$rules" > second.txt
grep 'the goal is' second.txt && fail "missed again"
exit 0
