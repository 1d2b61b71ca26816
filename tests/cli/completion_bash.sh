# The script in a real bash: subcommands, options of each, and what an option takes.
set +e  # compgen says 1 where nothing matches, which is no news to a shell that completes
"$QCONVERT" completion bash > script
. ./script
complete_line() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _qconvert
  echo "${COMPREPLY[*]}"
}
complete_line qconvert comp
complete_line qconvert compare a b --gat
complete_line qconvert compare --report j
complete_line qconvert m.onnx --dump no
complete_line qconvert targets in
complete_line qconvert completion f
