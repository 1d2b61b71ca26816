"$QCONVERT" config --help
