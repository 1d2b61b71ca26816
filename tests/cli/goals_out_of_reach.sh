# Goals that cannot be had are named, each with the best that can be had of it; what is proposed was tried.
goals() {
  out=$(quantize_sample "$@" 2>&1) && fail "the goals were reached: $*"
  tr -s ' ' <<<"$out"
}
goals --set /placement/min_sqnr_db=60 --set /placement/max_latency_ratio=0.5
goals --set /placement/min_sqnr_db=60 | tee alone.txt
lower=$(sed -n 's/.*remedy: lower the goal: "min_sqnr_db": \([0-9]*\)$/\1/p' alone.txt)
quantize_sample --set /placement/min_sqnr_db="$lower" >/dev/null || fail "min_sqnr_db $lower was proposed and is missed"
quantize_sample --set /placement/min_sqnr_db=60 --set '/bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 16}]' \
  >/dev/null || fail "weights of 16 bits were proposed and did not reach the goal"
