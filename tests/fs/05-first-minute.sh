#!/bin/bash
# The first minute of everybody who tries it, word for word: nothing of what the
# README shows may ever stop to work.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no

test_first_minute()
{
	local before top

	cd "$T"
	HOME=$T
	PATH=$(dirname "$DERIVA"):$PATH
	for i in 1 2 3; do
		echo "10.0.0.$i - - [now] \"GET / HTTP/1.1\" 200 12"
		echo "10.0.0.3 - - [now] \"GET /a HTTP/1.1\" 200 12"
	done >access.log

	deriva mount ~/d.store ~/d
	status_of ~/d pid >>"$T/pids"
	cp access.log ~/d/
	cat > ~/d/top.txt.recipe <<'END'
in: [access.log]
run: cut -d' ' -f1 access.log | sort | uniq -c | sort -rn | head -20
END
	top=$(cat ~/d/top.txt)
	eq $'      4 10.0.0.3\n      1 10.0.0.2\n      1 10.0.0.1' "$top"
	eq "$top" "$(cat ~/d/top.txt)"
	eq 1 "$(status_of ~/d results)"
	before=$(date +%FT%T.%N)
	echo '10.0.0.9 - - [now] "GET / HTTP/1.1" 200 12' >> ~/d/access.log
	has 10.0.0.9 "$(cat ~/d/top.txt)"
	has access.log "$(deriva why ~/d/top.txt)"
	eq "$top" "$(cat ~/d/.deriva/at/"$before"/top.txt)"
	deriva umount ~/d
	[ ! -e ~/d/top.txt ]
	[ -d ~/d.store ]

	# and once more: everything is there, nothing runs
	deriva mount ~/d.store ~/d
	status_of ~/d pid >>"$T/pids"
	has 10.0.0.9 "$(cat ~/d/top.txt)"
	eq "$top" "$(cat ~/d/.deriva/at/"$before"/top.txt)"
	eq 2 "$(status_of ~/d results)"
	deriva umount ~/d
}

# The recipe under "Five minutes", as it is printed there.
test_the_recipe_in_the_readme()
{
	mount_it
	mkdir "$M/photos"
	printf 123 >"$M/photos/a.png"
	printf 12345 >"$M/photos/b.png"
	echo a caption >"$M/captions.txt"
	sed -n '/^    # sizes.txt.recipe$/,/^$/s/^    //p' \
		"$(dirname "$0")/../../README.md" >"$M/sizes.txt.recipe"
	eq "8 total,5 b.png,3 a.png,a caption" \
		"$(sed 's/^ *//' "$M/sizes.txt" | paste -sd,)"
}

run_tests "$@"
