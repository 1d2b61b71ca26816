# Every page fits a screen of 48 lines and 130 columns, has an example, and explains each of its options; completion and
# the manual know all of them.
"$QCONVERT" man > man.txt
for shell in bash zsh fish; do "$QCONVERT" completion $shell > $shell.txt; done
commands=$("$QCONVERT" --help | sed -n '/^subcommands/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$(echo "$commands" | wc -w)" -ge 8 ] || fail "the list of subcommands: $commands"
for command in '' $commands; do
  "$QCONVERT" $command --help > page.txt
  [ "$(wc -l < page.txt)" -le 48 ] || fail "'$command' has $(wc -l < page.txt) lines"
  [ "$(wc -L < page.txt)" -le 130 ] || fail "'$command' has a line of $(wc -L < page.txt) columns"
  grep -q '^example: qconvert ' page.txt || fail "'$command' has no example"
  # Options: a name, two spaces, a sentence.
  sed -n '/^example/,/^[a-z]* *(\|^exit\|^what/p' page.txt | grep '^  -' > options.txt
  [ -s options.txt ] || fail "'$command' has no options"
  while IFS= read -r line; do
    [[ $line =~ ^\ \ -[^\ ]+(\ [^\ ]+)?\ \ +[^\ ].{6,} ]] || fail "'$command' does not explain: $line"
    name=$(printf '%s' "$line" | grep -o -- '--[a-z-]*' | head -1)
    for where in bash.txt zsh.txt; do grep -q -- "$name" $where || fail "$where does not know $name"; done
    grep -q -- "-l ${name#--} " fish.txt || fail "fish does not know $name"
    grep -q -- "$(printf '%s' "$name" | sed 's/-/\\\\-/g')" man.txt || fail "the manual does not know $name"
  done < options.txt
done
# "help" is asked for in other ways as well.
"$QCONVERT" --help > page.txt
"$QCONVERT" help | cmp - page.txt
"$QCONVERT" inspect --help > page.txt
"$QCONVERT" help inspect | cmp - page.txt
"$QCONVERT" version 2> said && fail "'version' is no command"
grep -q 'did you mean --version' said || fail "$(cat said)"
