"$QCONVERT" compare --help
