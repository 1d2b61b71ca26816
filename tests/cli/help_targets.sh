"$QCONVERT" targets --help
