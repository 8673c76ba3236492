#!/bin/bash
# Recipes from a stranger: whatever they try, nothing of the user is read or
# harmed, and what they say about it is clear. (What the sandbox itself keeps
# from a command, call by call, is in tests/recipes/test_sandbox_hostile.c.)
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# try NAME: a recipe whose command is standard input, read; 0: it succeeded
try()
{
	{
		printf 'in: [a.txt]\ntimeout: 30s\nmemory: 256M\nrun: |\n'
		sed 's/^/  /'
	} >"$M/$1.recipe"
	cat "$M/$1" >"$T/said" 2>"$T/err"
}

test_nothing_of_the_host_is_there()
{
	local f

	echo x >"$M/a.txt"
	echo secret >"$T/secret"
	for f in /etc/shadow /root /home "$T/secret" "$S" "$M" /proc/1/environ/x \
		/sys/kernel /dev/kmsg /run; do
		try look <<END || { cat "$T/err"; return 1; }
if [ -s "$f" ] && cat "$f" 2>/dev/null | grep -q . ; then echo "read $f"; fi
if [ -d "$f" ] && ls -A "$f" 2>/dev/null | grep -q . ; then echo "listed $f"; fi
echo end
END
		eq end "$(cat "$T/said")"
	done
	# of processes it sees its own
	try procs <<'END'
cat /proc/[0-9]*/comm | sort -u | tr '\n' ' '
END
	lacks deriva "$(cat "$T/said")"
}

test_nothing_can_be_changed()
{
	echo x >"$M/a.txt"
	echo mine >"$T/host"
	chmod 666 "$T/host"
	try write <<END
for f in "$T/host" /etc/passwd a.txt ../a.txt /usr/x /w/x /r/x; do
	if echo bad >"\$f"; then echo "wrote \$f"; fi
done 2>/dev/null
rm -f a.txt 2>/dev/null || true
kill -9 -1 2>/dev/null || true
echo end
END
	lacks "wrote" "$(grep -v 'wrote /etc/passwd' "$T/said")"
	eq mine "$(cat "$T/host")"
	content x a.txt
	eq x "$(cat "$M/a.txt")"
	# what it leaves at $out is a link to a file of the host
	not try link <<END
ln -s "$T/host" "\$out"
END
	has "a symbolic link at \$out" "$(attr error "$M/link")"
	not try device <<'END'
mkfifo "$out"
END
	has "a special file at \$out" "$(attr error "$M/device")"
	eq mine "$(cat "$T/host")"
}

test_its_own_output_and_deriva_are_not_there()
{
	echo x >"$M/a.txt"
	recipe self <<'END'
run: |
  cat self self.recipe .deriva/status 2>/dev/null || true
  cat "$root/.deriva/at/@1/a.txt" 2>/dev/null || true
  ls -a . | tr '\n' ' '
END
	has a.txt "$(cat "$M/self")"
	lacks ' self ' "$(tail -n 1 "$M/self")"
	lacks .deriva "$(tail -n 1 "$M/self")"
	recipe itself <<'END'
in: [itself]
run: cat itself
END
	errno ELOOP open r "$M/itself"
	has 'needs itself' "$(attr error "$M/itself")"
	recipe control <<'END'
in: [.deriva/status]
run: cat .deriva/status
END
	errno EIO open r "$M/control"
	has 'does not exist' "$(attr error "$M/control")"
}

run_tests "$@"
