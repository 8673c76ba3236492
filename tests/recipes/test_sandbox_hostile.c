/* What a command must not be able to do, to the machine or to other runs. */
#include "recipes/sandbox.h"

#include "tests/lib/harness.h"
#include "tests/recipes/sandbox_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* Each line is tried by itself; those that succeed are told. */
static void assert_all_fail(struct fixture *f, const char *const *lines)
{
	for (; *lines; lines++) {
		fixture_sh(f, *lines);
		ck_assert_msg(!f->st.error, "%s: %s", *lines, f->st.message);
		ck_assert_msg(f->st.exit_code != 0, "%s", *lines);
	}
}

static void assert_ok(struct fixture *f, const char *script)
{
	char *text;

	fixture_sh(f, script);
	text = fixture_text(f->err);
	ck_assert_msg(!f->st.error && !f->st.exit_code, "%s: %d %d %s: %s",
		      script, f->st.error, f->st.exit_code, f->st.message,
		      text);
	free(text);
}

BOTH(command_cannot_read_what_is_not_its_own)
{
	static const char *const lines[] = {"cat /etc/shadow",
					    "ls /root",
					    "ls /home",
					    "ls /var/log",
					    "ls /work",
					    "ls /run",
					    "cat /etc/resolv.conf",
					    "cat /etc/fstab",
					    "ls /sys",
					    "ls /boot",
					    "ls /mnt",
					    "ls /oldroot",
					    "cat /proc/kcore",
					    NULL};
	char script[400];

	assert_all_fail(f, lines);
	snprintf(script, sizeof(script), "! ls %s", f->dir);
	assert_ok(f, script);
	assert_ok(f, "test -z \"$(ls -A /tmp)\"");
}

BOTH(command_cannot_write_but_in_three_places)
{
	static const char *const lines[] = {"echo x >/x",
					    "echo x >/usr/x",
					    "echo x >/etc/x",
					    "echo x >>/etc/passwd",
					    "echo x >/dev/x",
					    "echo x >/w/x",
					    "echo x >/r/x",
					    "echo x >/var/x",
					    "rm /bin",
					    "chmod 777 /w",
					    "echo 1 >/proc/sys/vm/drop_caches",
					    "echo h >/proc/sysrq-trigger",
					    "touch /w",
					    NULL};

	f->run.inputs = f->inputs;
	f->run.root = f->inputs;
	assert_all_fail(f, lines);
	assert_ok(f, "echo x >/o/x; echo x >/tmp/x; echo x >/dev/shm/x");
}

BOTH(command_has_no_rights_and_gets_none)
{
	static const char *const lines[] = {"mount -t tmpfs x /tmp",
					    "umount /proc",
					    "mount -o remount,rw /usr",
					    "mount -o remount,rw /",
					    "unshare -U true",
					    "unshare -r -m true",
					    "unshare -p true",
					    "mknod /tmp/x b 8 0",
					    "mknod /tmp/x c 1 1",
					    "chroot / true",
					    "hostname x",
					    "nice -n -5 true 2>&1 | grep -v .",
					    "chown 1 /tmp",
					    NULL};

	assert_all_fail(f, lines);
	assert_ok(f, "grep -q '^NoNewPrivs:.1$' /proc/self/status; "
		     "grep -q '^CapEff:.0*$' /proc/self/status; "
		     "grep -q '^CapPrm:.0*$' /proc/self/status; "
		     "grep -q '^CapBnd:.0*$' /proc/self/status");
}

BOTH(command_gains_nothing_by_setuid)
{
	assert_ok(f, "cp /usr/bin/id /tmp/id; chmod 4755 /tmp/id; "
		     "test \"$(/tmp/id -u)\" = \"$(id -u)\"; "
		     "! su -c true </dev/null");
}

static int listen_inet(unsigned *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static int listen_abstract(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path + 1, name);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un,
						   sun_path) +
					  1 + strlen(name))),
			 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

BOTH(command_reaches_no_network_unless_allowed)
{
	char script[512], name[64];
	unsigned port;
	int a, b;

	a = listen_inet(&port);
	snprintf(name, sizeof(name), "deriva-test-%d", (int)getpid());
	b = listen_abstract(name);
	snprintf(script, sizeof(script),
		 "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%u'", port);
	fixture_sh(f, script);
	ck_assert_int_eq(f->st.exit_code, 1);
	f->run.network = true;
	assert_ok(f, script);
	f->run.network = false;
	fixture_sh(f, "bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'");
	ck_assert_int_eq(f->st.exit_code, 1);
	assert_ok(f, "test \"$(grep -c : /proc/net/dev)\" = 1");
	snprintf(script, sizeof(script),
		 "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); "
		 "exit(connect(S, pack(\"Sa*\", AF_UNIX, \"\\0%s\")) ? 0 : 1)'",
		 name);
	fixture_sh(f, script);
	ck_assert_int_eq(f->st.exit_code, 1);
	close(a);
	close(b);
}

BOTH(command_sees_and_hits_no_other_process)
{
	char script[128];

	snprintf(script, sizeof(script), "! kill -0 %d; ! kill -9 %d",
		 (int)getpid() + 100000, (int)getpid());
	assert_ok(f, script);
	assert_ok(f, "test $(ls -d /proc/[0-9]* | wc -l) -le 6");
	fixture_sh(f, "kill -9 -1; exit 3");
	ck_assert_int_eq(f->st.error, 0);
	fixture_sh(f, "kill -9 1; exit 3");
	ck_assert_int_eq(f->st.exit_code, 3);
	ck_assert_int_eq(sandbox_check(f->s, NULL), 0);
}

BOTH(command_cannot_type_into_the_terminal)
{
	assert_ok(f, "! sh -c ': </dev/tty'");
}

/* Long enough for `sleep` to be unique on this machine. */
static void marker(char to[32], const char *base)
{
	snprintf(to, 32, "%s.%d", base, (int)getpid());
}

BOTH(command_leaves_no_process_behind)
{
	char script[512], mark[32];

	marker(mark, "61001");
	snprintf(script, sizeof(script),
		 "(setsid sh -c 'trap \"\" TERM HUP INT; sleep %s & "
		 "sleep %s' >/dev/null 2>&1 &) ; sleep 0.1; "
		 "ps ax 2>/dev/null || :; echo back",
		 mark, mark);
	assert_ok(f, script);
	ck_assert_uint_eq(processes_with(mark), 0);
}

/* Each would do something, or fail otherwise, without the filter. */
static const struct {
	const char *what;
	long nr;
	const char *args;
	int error;
} refused[] = {
	{"ptrace", SYS_ptrace, "0, 0, 0, 0", EPERM},
	{"process_vm_readv", SYS_process_vm_readv, "$$, 0, 0, 0, 0, 0", EPERM},
	{"kcmp", SYS_kcmp, "$$, $$, 0, 0, 0", EPERM},
	{"add_key", SYS_add_key, "\"user\", \"x\", \"y\", 1, -2", EPERM},
	{"keyctl", SYS_keyctl, "0, -3, 0", EPERM},
	{"bpf", SYS_bpf, "0, 0, 0", EPERM},
	{"perf_event_open", SYS_perf_event_open, "0, 0, 0, 0, 0", EPERM},
	{"userfaultfd", SYS_userfaultfd, "1", EPERM},
	{"io_uring_setup", SYS_io_uring_setup, "1, 0", ENOSYS},
	{"clone3", SYS_clone3, "0, 0", ENOSYS},
	{"fsopen", 430, "\"tmpfs\", 0", ENOSYS},
	{"memfd_secret", 447, "0", ENOSYS},
	{"syslog", SYS_syslog, "10, 0, 0", EPERM},
	{"mount", SYS_mount, "0, 0, 0, 0, 0", EPERM},
	{"setns", SYS_setns, "0, 0", EPERM},
	{"open_by_handle_at", SYS_open_by_handle_at, "0, 0, 0", EPERM},
	{"clock_settime", SYS_clock_settime, "0, 0", EPERM},
	{"unshare user", SYS_unshare, "0x10000000", EPERM},
	{"unshare time", SYS_unshare, "0x80", EPERM},
	{"read implies exec", SYS_personality, "0x400000", EPERM},
	{"another system", SYS_personality, "0x5000003", EPERM},
	{"AF_ALG", SYS_socket, "38, 5, 0", EAFNOSUPPORT},
	{"AF_VSOCK", SYS_socket, "40, 1, 0", EAFNOSUPPORT},
	{"AF_PACKET", SYS_socket, "17, 3, 0", EAFNOSUPPORT},
	{"upper bits", SYS_socket, "0x100000000 + 38, 5, 0", EAFNOSUPPORT},
	{"a family to come", SYS_socket, "99, 1, 0", EAFNOSUPPORT},
	{"NETLINK_AUDIT", SYS_socket, "16, 3, 9", EPROTONOSUPPORT},
	{"TIOCSTI", SYS_ioctl, "0, 0x5412, 0", EPERM},
	{"TIOCSTI, upper bits", SYS_ioctl, "0, 0x300005412, 0", EPERM},
};

BOTH(command_is_refused_what_reaches_beyond_it)
{
	char script[4096], *p = script, *said;
	size_t i;

	p += sprintf(p, "perl -e 'sub t { my ($w, $e, $nr, @a) = @_; "
			"$! = 0; my $r = syscall($nr, @a); "
			"print STDERR \"$w: $r \", $!+0, \"\\n\" "
			"if $r >= 0 || $! != $e } ");
	for (i = 0; i < ARRAY_LEN(refused); i++)
		p += sprintf(p, "t(\"%s\", %d, %ld, %s); ", refused[i].what,
			     refused[i].error, refused[i].nr, refused[i].args);
	sprintf(p, "'");
	assert_ok(f, script);
	said = fixture_text(f->err);
	ck_assert_str_eq(said, "");
	free(said);
}

/* The bus and the display of a desktop listen there. */
BOTH(command_with_network_reaches_no_abstract_socket)
{
	char script[512], name[64];
	int fd;

	snprintf(name, sizeof(name), "deriva-test-net-%d", (int)getpid());
	fd = listen_abstract(name);
	snprintf(script, sizeof(script),
		 "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or "
		 "exit 7; exit(connect(S, pack(\"Sa*\", AF_UNIX, "
		 "\"\\0%s\")) ? 0 : 1)'",
		 name);
	f->run.network = true;
	fixture_sh(f, script);
	ck_assert_int_eq(f->st.exit_code, 7);
	assert_ok(f, "perl -MSocket -e 'socketpair(A, B, AF_UNIX, "
		     "SOCK_STREAM, 0) or exit 1'");
	close(fd);
}

BOTH(programs_do_not_notice_the_filter)
{
	f->run.memory = GIB(8);
	assert_ok(f, "cd /tmp && printf '#include <stdio.h>\n#include "
		     "<pthread.h>\nstatic void *f(void *p) { return p; }\n"
		     "int main(void) { pthread_t t; "
		     "pthread_create(&t, 0, f, 0); pthread_join(t, 0); "
		     "puts(\"hello\"); return 0; }\n' >x.c && "
		     "if command -v gcc; then gcc -O2 -pthread x.c -o x && "
		     "test $(./x) = hello; fi");
	assert_ok(f, "if test -x /usr/bin/python3; then /usr/bin/python3 -c '"
		     "import subprocess, threading, socket, "
		     "multiprocessing.pool\n"
		     "s = socket.create_server((\"127.0.0.1\", 0))\n"
		     "c = socket.create_connection(s.getsockname())\n"
		     "subprocess.run([\"true\"], check=True)\n"
		     "p = multiprocessing.pool.Pool(2)\n"
		     "assert p.map(abs, [-1, 2]) == [1, 2]\n'; fi");
	assert_ok(f, "if command -v node; then node -e '"
		     "require(\"fs\").promises.readdir(\"/usr\")"
		     ".then(l => l.length || process.exit(1)); "
		     "require(\"child_process\").execSync(\"true\")'; fi");
	assert_ok(f, "if command -v java; then java -Xmx64m -version; fi");
	assert_ok(f, "if command -v ffmpeg; then ffmpeg -version; fi");
	assert_ok(f, "if command -v git; then cd /tmp && git init -q g; fi");
	assert_ok(f, "setarch -R true; setarch linux32 true");
}

START_TEST(helper_that_was_signalled_with_its_group_goes_on)
{
	struct fixture f;

	fixture_init(&f, false);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	ck_assert_int_eq(getpgrp(), getpid()); /* check sees to it */
	kill(0, SIGINT);
	kill(0, SIGTERM);
	kill(0, SIGHUP);
	fixture_sh(&f, "exit 0");
	ck_assert_int_eq(f.st.error, 0);
	fixture_done(&f);
}
END_TEST

TESTS("sandbox_hostile", PAIR(command_cannot_read_what_is_not_its_own),
      PAIR(command_cannot_write_but_in_three_places),
      PAIR(command_has_no_rights_and_gets_none),
      PAIR(command_gains_nothing_by_setuid),
      PAIR(command_reaches_no_network_unless_allowed),
      PAIR(command_sees_and_hits_no_other_process),
      PAIR(command_cannot_type_into_the_terminal),
      PAIR(command_leaves_no_process_behind),
      PAIR(command_is_refused_what_reaches_beyond_it),
      PAIR(command_with_network_reaches_no_abstract_socket),
      PAIR(programs_do_not_notice_the_filter),
      helper_that_was_signalled_with_its_group_goes_on)
