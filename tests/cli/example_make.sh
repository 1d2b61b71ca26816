# configs/examples/Makefile: a second make runs nothing, a touched picture one conversion, and what is built from the model
# is left alone where the model stays the same.
cp "$SAMPLE/../../../configs/examples/Makefile" .
cp "$SAMPLE/model.onnx" model.onnx
mkdir calib
for picture in $(ls "$SAMPLE/calib" | head -24); do cp "$SAMPLE/calib/$picture" calib/; done
sed 's|"path": *"[^"]*"|"path": "calib"|' "$SAMPLE/config.json" > quant.json
printf '\nafter: build/model.quant.onnx\n\tcp $< $@; echo built >> builds\n' >> Makefile
printf '#!/bin/sh\necho run >> runs\nexec "%s" "$@"\n' "$QCONVERT" > counted
chmod +x counted
count() { make -s QCONVERT=./counted all after > make.txt 2>&1 || { cat make.txt; fail "make"; }; echo "$(cat runs | wc -l) $(cat builds | wc -l)"; }
count
count
sleep 0.05
touch "calib/$(ls calib | head -1)"
count
count
rm build/model.quant.onnx
count
[ -s build/model.quant.onnx ] || fail "a model that is gone is not made again"
