#!/bin/bash
# Programs that people run on a directory every day, with their own ideas of what
# a file system does.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

test_git_from_init_to_gc()
{
	local i

	export HOME=$T GIT_CONFIG_NOSYSTEM=1
	export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e
	export GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e
	git -c init.defaultBranch=main init -q "$M/repo"
	cd "$M/repo"
	for i in 1 2 3 4 5; do
		echo "$i" >>f
		echo "$i" >"f$i"
		git add .
		git commit -qm "$i"
	done
	git checkout -q -b side HEAD~2
	echo side >side
	git add side
	git commit -qm side
	git merge -q -m merge main
	git gc -q
	git fsck
	eq "" "$(git status --porcelain)"
	eq $'1\n2\n3\n4\n5' "$(cat f)"
}

test_tar_in_and_out()
{
	mkdir "$T/src"
	cp -a /usr/include/linux "$T/src"
	tar -C "$T/src" -cf - . | tar -C "$M" -xf -
	diff -r --no-dereference "$T/src" "$M"
	tar -C "$M" -cf - . | tar -tf - | sort >"$T/a"
	tar -C "$T/src" -cf - . | tar -tf - | sort >"$T/b"
	same "$T/a" "$T/b"
}

test_rsync_in_and_again()
{
	mkdir "$T/src"
	cp -a /usr/include/linux "$T/src"
	rsync -a "$T/src/" "$M/"
	diff -r --no-dereference "$T/src" "$M"
	eq "" "$(rsync -ai "$T/src/" "$M/")"
	echo more >>"$T/src/new"
	rsync -a --inplace "$T/src/" "$M/"
	diff -r --no-dereference "$T/src" "$M"
	rsync -a --delete "$T/src/linux/" "$M/"
	diff -r --no-dereference "$T/src/linux" "$M"
}

test_zip_and_unpack()
{
	seq 5000 >"$M/f"
	(cd "$M" && zip -q z.zip f)
	rm "$M/f"
	"$PYTHON" -m zipfile -e "$M/z.zip" "$M"
	eq "$(seq 5000)" "$(cat "$M/f")"
}

test_sqlite_database_on_the_mount()
{
	"$PYTHON" - "$M/x.db" <<'END'
import sqlite3, sys
for mode in ("delete", "truncate", "wal"):
    db = sqlite3.connect(sys.argv[1])
    db.execute(f"pragma journal_mode={mode}")
    db.execute("create table if not exists t(a)")
    for i in range(50):
        with db:
            db.execute("insert into t values (?)", (i,))
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()
db = sqlite3.connect(sys.argv[1])
assert db.execute("select count(*) from t").fetchone() == (150,)
db.close()
END
}

test_file_locks_between_processes()
{
	echo x >"$M/f"
	exec 5<"$M/f"
	flock -x 5
	not flock -n -x "$M/f" true
	flock -u 5
	flock -n -x "$M/f" true
	exec 5<&-
}

test_a_compiler_as_a_recipe()
{
	cat >"$M/hello.c" <<'END'
#include <stdio.h>
#include "text.h"
int main(void) { puts(TEXT); return 0; }
END
	echo '#define TEXT "one"' >"$M/text.h"
	recipe hello.o <<'END'
in: [hello.c, text.h]
run: gcc -c hello.c -o "$out"
END
	recipe hello <<'END'
in: [hello.o]
run: gcc hello.o -o "$out"
END
	recipe hello.txt <<'END'
in: [hello]
run: ./hello
END
	content one hello.txt
	eq one "$("$M/hello")"
	echo '#define TEXT "two"' >"$M/text.h"
	content two hello.txt
	eq two "$("$M/hello")"
	# a comment changes the object's input, not the program
	echo '/* a remark */' >>"$M/text.h"
	content two hello.txt
}

test_grep_sort_and_friends_over_derived_files()
{
	recipe n <<'END'
in: []
run: seq 1000
END
	eq 1000 "$(sort -rn "$M/n" | head -1)"
	eq 271 "$(grep -c 7 "$M/n")"
	eq 500500 "$(awk '{ s += $1 } END { print s }' "$M/n")"
	eq "1000 1000 3893" "$(wc <"$M/n" | xargs)"
	eq "$M/n: ASCII text" "$(command -v file >/dev/null &&
		file "$M/n" || echo "$M/n: ASCII text")"
	eq "$(seq 1000 | md5sum)" "$(md5sum <"$M/n")"
}

test_mktemp_and_lock_files()
{
	local f

	f=$(mktemp "$M/tmp.XXXXXX")
	echo x >"$f"
	eq x "$(cat "$f")"
	eq 600 "$(stat -c %a "$f")"
	(set -C && : >"$M/lock")
	not bash -c "set -C; : >'$M/lock'"
}

test_umask_and_executables()
{
	(umask 077 && echo x >"$M/private" && mkdir "$M/pd")
	eq 600 "$(stat -c %a "$M/private")"
	eq 700 "$(stat -c %a "$M/pd")"
	printf '#!/bin/sh\necho ran\n' >"$M/s"
	chmod +x "$M/s"
	eq ran "$("$M/s")"
	cp /bin/true "$M/true"
	"$M/true"
}

run_tests "$@"
