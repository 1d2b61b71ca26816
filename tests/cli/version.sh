"$QCONVERT" --version
