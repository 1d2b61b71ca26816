# No room for the output: an error that says so, and not a byte left. A tiny file system where this may be mounted,
# else the shell's limit on the size of a file.
mkdir out
if unshare --map-root-user --mount true 2>/dev/null; then
  unshare --map-root-user --mount bash -c '
    mount -t tmpfs -o size=16k tmpfs out || exit 97
    "$0" "$@" || code=$?
    [ -z "$(ls -A out)" ] || { ls -la out >&2; exit 98; }
    exit "${code:-0}"' "$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o out --set /representative_dataset/max_images=8
else
  trap '' XFSZ
  ulimit -f 16
  quantize_sample
fi
