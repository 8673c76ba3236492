# shellcheck shell=bash
# tests/fs/stores.sh - what the stores of tests/fs/stores were used for, by the
# versions of the program that wrote them (stores/make), and are expected to
# hold (48-old-stores.sh). What is here is of the past: it is not changed, but
# a new step may be added for stores of a later schema.

# Lines that compress well, and are not the same for two numbers.
old_text()
{
	awk -v n="$1" -v lines="$2" 'BEGIN {
		while (i < lines)
			printf "line %d of the file with the number %d\n", i++ % 50, n
	}'
}

# What is done with ordinary files, before the moment that is remembered.
old_work_before()
{
	mkdir -p "$1/d/e" "$1/gone" "$1/empty"
	: >"$1/none"
	echo one >"$1/f"
	old_text 1 2000 >"$1/d/text"
	old_text 2 20000 >"$1/d/large"
	old_text 3 100 >"$1/gone/old"
	truncate -s 3000000 "$1/sparse"
	echo tail >>"$1/sparse"
	ln -s ../f "$1/d/link"
	ln "$1/d/text" "$1/d/e/hard"
	chmod 750 "$1/d/e/hard"
	touch -d 2001-02-03T04:05:06Z "$1/f" "$1/none" "$1/sparse" "$1/gone/old" "$1"/d/{text,large}
}

# And after it.
old_work_after()
{
	echo two >"$1/f"
	mv "$1/d/e" "$1/moved"
	rm -r "$1/gone"
	dd if=/dev/zero of="$1/d/large" bs=1000 seek=300 count=5 conv=notrunc status=none
	old_text 4 30 >>"$1/d/text"
	printf 'x' >"$1/$(printf 'odd\xff name')"
	touch -d 2011-12-13T14:15:16Z "$1/f" "$1"/d/{text,large} "$1"/odd*
}

# Recipes, which are ordinary files, too. The first is found again, as nothing
# of it changes: what it printed stands beside the store in the archive.
old_work_recipes()
{
	cat >"$1/unique.recipe" <<'END'
in: [f]
run: cat f; cat /proc/sys/kernel/random/uuid
END
	cat >"$1/sum.recipe" <<'END'
in: [d/text]
run: wc -l <d/text
END
	cat >"$1/zipped.recipe" <<'END'
in: [f]
fn: gzip
END
	cat >"$1/bad.recipe" <<'END'
in: []
run: exit 3
END
	touch -d 2011-12-13T14:15:17Z "$1"/*.recipe
}

# All that can be told about the files of a tree but for numbers that are its
# own; not what recipes made.
old_portrait()
{
	(
		cd "$1" || exit
		find . ! -name unique ! -name sum ! -name zipped ! -name bad \
			\( -type d -printf '%P %y %m\n' -o \
			-type l -printf '%P %y %l\n' -o \
			-printf '%P %y %m %s %T@\n' \) | sort
		find . -type f ! -name unique ! -name sum ! -name zipped \
			! -name bad -exec sha256sum {} + | sort
	)
}
