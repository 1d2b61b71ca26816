# Nodes of the file that are part of others now, or gone, are explained as well: inspect lists them.
quantize_sample --explain 'stem/n*m'
