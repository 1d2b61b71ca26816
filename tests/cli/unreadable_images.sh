# Every picture that cannot be read is listed, not only the first.
mkdir pictures
cp "$SAMPLE"/calib/00[0-9].* pictures/
head -c 300 "$SAMPLE/calib/000.jpg" > pictures/cut.jpg
printf "not a picture" > pictures/letter.png
quantize_with "$SAMPLE/model.onnx" "{\"representative_dataset\": {\"path\": \"pictures\"}}" > messages 2>&1 || code=$?
for file in cut.jpg letter.png; do
  grep -q "^error\[.*$file" messages || { cat messages >&2; fail "$file is not named"; }
done
exit "${code:-0}"
