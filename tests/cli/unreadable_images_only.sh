# "skip" cannot go on when nothing is left, and does not offer itself as the remedy.
mkdir pictures
head -c 300 "$SAMPLE/calib/000.jpg" > pictures/cut.jpg
printf "not a picture" > pictures/letter.png
quantize_sample --images pictures --set /representative_dataset/on_bad_image=skip
