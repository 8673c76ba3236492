#!/bin/bash
# What a command cannot see it cannot depend on: nothing but its inputs, the
# machine's programs and its scratch may be there, whoever mounts.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# blind TEXT: standard input is shell text that must print nothing of TEXT
blind()
{
	{
		echo "in: []"
		echo "run: |"
		echo "  exec 2>/dev/null"
		sed 's/^/  /'
	} >"$M/probe.recipe"
	cat "$M/probe" >"$T/seen" 2>&1 || true
	lacks "$1" "$(cat "$T/seen" "$M/.deriva/output/probe")"
}

test_shadow()
{
	blind : <<'END'
cat /etc/shadow /etc/gshadow /etc/sudoers || true
END
}

test_etc_as_a_whole()
{
	blind "$(hostname)" <<'END'
cat /etc/hostname || true
END
}

test_the_store()
{
	blind deriva <<END
cat "$S/format" "$S/deriva.db" || true
ls "$S" || true
END
}

test_the_mounts_other_files()
{
	echo secret-content >"$M/other"
	blind secret-content <<END
cat "$M/other" || true
cat other ../other ../../other "\${root:-/r}/other" || true
grep -rs secret-content /w /r /mnt /media /tmp || true
END
	blind status <<'END'
ls -a /r/.deriva /w/.deriva || true
END
}

test_home()
{
	mkdir -p "$T/home"
	echo private >"$T/home/private"
	umount_it
	HOME=$T/home mount_it
	blind private <<END
cat "$T/home/private" ~/private || true
ls -a ~ /root /home || true
END
}

test_network()
{
	"$PYTHON" - "$T/port" <<'END' &
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
open(sys.argv[1] + ".new", "w").write(str(s.getsockname()[1]))
import os
os.rename(sys.argv[1] + ".new", sys.argv[1])
s.settimeout(20)
try:
    s.accept()
    open(sys.argv[1] + ".reached", "w")
except OSError:
    pass
END
	wait_for test -e "$T/port"
	recipe d <<END
in: []
params: {port: "$(cat "$T/port")"}
run: |
  exec 2>&1
  if bash -c "echo x >/dev/tcp/127.0.0.1/\$port"; then echo reached; fi
  cat /proc/net/dev | tail -n +3 | cut -d: -f1 | xargs
END
	eq lo "$(tail -1 "$M/d")"
	lacks reached "$(cat "$M/d")"
	kill $!
	wait $! || true
	[ ! -e "$T/port.reached" ]
}

# listener: a server of the machine; its port goes to $T/port
listener()
{
	"$PYTHON" - "$T/port" <<'END' &
import os, socket, sys
s = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1] + ".new", "w").write(str(s.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
s.settimeout(60)
while True:
    c, _ = s.accept()
    c.sendall(b"served\n")
    c.close()
END
	wait_for test -e "$T/port"
}

test_network_true_reaches_it_and_no_files_of_the_user()
{
	listener
	recipe d <<END
in: []
network: true
params: {port: "$(cat "$T/port")"}
run: bash -c 'cat </dev/tcp/127.0.0.1/\$port' || true; ls /etc
END
	has served "$(cat "$M/d")"
	lacks shadow "$(cat "$M/d")"
	[ ! -e /etc/resolv.conf ] || has resolv.conf "$(cat "$M/d")"
	# with or without network is another computation
	before=$(attr recipe "$M/d")
	sed -i '/^network/d' "$M/d.recipe"
	cat "$M/d" >"$T/alone"
	lacks served "$(cat "$T/alone")"
	ne "$before" "$(attr recipe "$M/d")"
	kill $!
	wait $! || true
}

test_a_result_from_the_network_is_never_taken_for_reproducible()
{
	echo 1 >"$M/in"
	for n in true false; do
		printf 'in: [in]\nnetwork: %s\nrun: cat in\n' "$n" \
			>"$M/$n.recipe"
		cat "$M/$n"
		"$DERIVA" drop "$M/$n" >/dev/null
		cat "$M/$n"
	done >"$T/said"
	eq $'1\n1\n1\n1' "$(cat "$T/said")"
	umount_it
	eq $'0\n1' "$("$PYTHON" - "$S/deriva.db" <<'END'
import sqlite3, sys
for r, in sqlite3.connect(sys.argv[1]).execute(
        "SELECT reproducible FROM result ORDER BY reproducible"):
    print(r)
END
)"
	mount_it
}

test_other_processes()
{
	sleep 4242 &
	blind 4242 <<'END'
cat /proc/[0-9]*/cmdline | tr '\0' ' '
END
	kill $!
}

test_environment_of_the_mounting_process()
{
	umount_it
	TOKEN=hush-hush mount_it
	blind hush-hush <<'END'
env
cat /proc/self/environ /proc/1/environ || true
END
}

test_writing_anywhere_but_in_tmp_and_the_scratch()
{
	recipe d <<'END'
in: []
run: |
  exec 2>/dev/null
  for d in / /usr /usr/bin /etc /w /r /dev /proc/sys/kernel /var /home; do
          if (echo x >"$d/mark"); then echo "wrote $d"; fi
  done
  echo x >/tmp/mark && echo tmp
END
	eq tmp "$(grep -v '^wrote /dev$' "$M/d")"
	[ ! -e /usr/mark ]
	[ ! -e /tmp/mark ]
}

test_tmp_is_empty_and_private()
{
	echo x >"$T/in-tmp"
	recipe d <<'END'
in: []
run: ls -A /tmp; echo end
END
	content end d
}

test_capabilities_and_privilege()
{
	recipe d <<'END'
in: []
run: |
  exec 2>/dev/null
  grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status | cut -f2 | sort -u
  grep NoNewPrivs /proc/self/status | cut -f2
  mount -t tmpfs x /tmp && echo mounted
  unshare -U true && echo unshared
  chroot / true && echo chrooted
  :
END
	eq $'0000000000000000\n1' "$(cat "$M/d")"
}

test_kernel_keys_and_debugging_stay_out()
{
	blind reached <<'END'
kill -0 1 2>/dev/null && kill -9 -1 2>/dev/null
echo still-here >/dev/null
mknod /tmp/sda b 8 0 2>/dev/null && echo reached
END
}

test_standard_input_is_empty()
{
	recipe d <<'END'
in: []
run: wc -c
END
	content 0 d
}

test_no_terminal()
{
	recipe d <<'END'
in: []
run: if (true </dev/tty) 2>/dev/null; then echo tty; else echo none; fi
END
	content none d
}

test_no_open_files_come_along()
{
	recipe d <<'END'
in: []
run: ls /proc/self/fd | wc -l
END
	at_most 4 "$(cat "$M/d")"
}

test_filling_memory_ends_with_an_error_not_with_the_machine()
{
	recipe d <<'END'
in: []
memory: 100M
timeout: 60s
run: head -c 2G /dev/zero | tail
END
	errno EIO open r "$M/d"
	has memory "$(attr error "$M/d")"
}

test_a_fork_bomb_ends_with_its_time()
{
	recipe d <<'END'
in: []
timeout: 2s
run: |
  n=0
  while [ $n -lt 200 ]; do sleep 100.25 & n=$((n + 1)); done
  wait
END
	errno ETIMEDOUT open r "$M/d"
	wait_for no_sleep
}

no_sleep()
{
	not pgrep -x -f 'sleep 100.25'
}

test_same_result_whatever_the_working_directory_of_the_mount()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: pwd; id -u; hostname; cat in
END
	cat "$M/d" >"$T/one"
	mkdir "$M/sub"
	cp "$M/in" "$M/d.recipe" "$M/sub"
	same "$T/one" "$M/sub/d"
	eq 1 "$(status results)"
}

test_programs_of_the_machine_are_there()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: |
  awk '{ print $1 + 1 }' in | sed s/2/two/ | sort | tr a-z A-Z
  perl -e 'print "perl\n"'
  test -c /dev/null && test -c /dev/zero && test -r /dev/urandom
  date -d @0 +%Y
END
	eq $'TWO\nperl\n1970' "$(cat "$M/d")"
}

run_tests "$@"
