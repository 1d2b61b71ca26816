# Ctrl-C while calibrating: exit 130, and nothing half-written (run_case.sh looks for that).
mkdir pictures
for copy in 1 2 3; do
  for file in "$SAMPLE"/calib/*.jpg; do
    ln -s "$file" "pictures/$copy-${file##*/}"
  done
done
set -m  # without job control a shell starts background commands deaf to Ctrl-C
mkfifo messages
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" --images "$PWD/pictures" -o out --threads 1 \
  --set /representative_dataset/max_images=100000 2> messages &
while IFS= read -r line; do
  printf '%s\n' "$line" >&2
  case "$line" in *[Cc]alibrat*) kill -INT %1 && break ;; esac
done < <(cat messages)
wait %1
