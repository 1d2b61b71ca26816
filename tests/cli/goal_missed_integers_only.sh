# What is proposed for a missed goal can be done: no floats where the target has none, and a hint that reached the goal when
# it was tried comes first. Shares that round to nothing are not named.
missed() {
  quantize_sample --target "$1" --set /placement/min_sqnr_db="$2" 2>&1 && fail "$1 reached $2 dB"
  return 0
}
missed qnn 60 | tee qnn.txt
if grep -q 'leave these in float' qnn.txt; then fail 'qnn has no floats'; fi
missed imx500 60 > far.txt
hint=$(sed -n 's/.*Tried: [0-9.]* dB -> \([0-9.]*\) dB.*/\1/p' far.txt | sort -n | tail -1)
missed imx500 "$(python3 -c "print($hint - 0.2)")"
