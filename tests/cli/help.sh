"$QCONVERT" --help
