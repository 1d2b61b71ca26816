# Gates that are none, and one whose figure will not be there: all said before any work.
"$QCONVERT" compare nowhere.onnx nowhere.onnx --gate 'top1_dropp <= 1' --gate 'size <= 3 apples' --gate 'speed' --gate 'top1 >= 0.5'
