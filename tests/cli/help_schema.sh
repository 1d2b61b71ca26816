"$QCONVERT" schema --help
