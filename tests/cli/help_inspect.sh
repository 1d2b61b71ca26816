"$QCONVERT" inspect --help
