"$QCONVERT" completion fush
