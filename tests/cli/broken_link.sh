# A picture that is a link to nothing is there when one looks: the message says where it leads.
mkdir pictures
cp "$SAMPLE"/calib/00[0-3].jpg pictures
ln -s moved/away.jpg pictures/link.jpg
quantize_sample --images pictures
