/* What a command gets, and what it tells. */
#include "recipes/sandbox.h"

#include "tests/lib/harness.h"
#include "tests/recipes/sandbox_fixture.h"

#include <errno.h>
#include <sys/stat.h>

static void assert_file(const char *path, const char *want)
{
	char *text = fixture_text(path);

	ck_assert_str_eq(text, want);
	free(text);
}

BOTH(run_reports_exit_codes)
{
	fixture_sh(f, "exit 0");
	ck_assert_int_eq(f->st.error, 0);
	ck_assert_int_eq(f->st.exit_code, 0);
	ck_assert_int_eq(f->st.exit_signal, 0);
	ck_assert_str_eq(f->st.message, "");
	ck_assert_int_gt(f->st.wall_ns, 0);
	ck_assert_uint_gt(f->st.memory, KIB(100));
	fixture_sh(f, "echo a; false; echo b");
	ck_assert_int_eq(f->st.error, 0);
	ck_assert_int_eq(f->st.exit_code, 1);
	assert_file(f->out, "a\n");
	fixture_sh(f, "exit 125");
	ck_assert_int_eq(f->st.exit_code, 125);
	fixture_sh(f, "exit 255");
	ck_assert_int_eq(f->st.exit_code, 255);
}

BOTH(run_reports_signals)
{
	fixture_sh(f, "kill -9 $$");
	ck_assert_int_eq(f->st.error, 0);
	ck_assert_int_eq(f->st.exit_code, -1);
	ck_assert_int_eq(f->st.exit_signal, 9);
	fixture_sh(f, "kill -SEGV $$");
	ck_assert_int_eq(f->st.exit_signal, 11);
}

BOTH(run_reports_cpu_and_memory_of_all_it_waited_for)
{
	fixture_sh(f, "sh -c 'i=0; while [ $i -lt 200000 ]; do "
		      "i=$((i+1)); done'; "
		      "perl -e '$x = \"a\" x 50000000; print length $x'");
	ck_assert_int_eq(f->st.exit_code, 0);
	ck_assert_int_gt(f->st.cpu_ns, 30000000);
	ck_assert_int_ge(f->st.wall_ns, f->st.cpu_ns / 4);
	ck_assert_uint_gt(f->st.memory, 45000000);
	ck_assert_uint_lt(f->st.memory, 400000000);
}

BOTH(run_of_what_is_no_program_is_an_ordinary_failure)
{
	char none[] = "no-such-program", etc[] = "/etc/passwd";
	char *argv[] = {none, NULL}, *argv2[] = {etc, NULL};

	fixture_run(f, argv);
	ck_assert_int_eq(f->st.error, 0);
	ck_assert_int_eq(f->st.exit_code, 127);
	ck_assert_str_eq(
		f->st.message,
		"cannot execute no-such-program: No such file or directory");
	assert_file(f->err, "cannot execute no-such-program: No such file or "
			    "directory\n");
	fixture_run(f, argv2);
	ck_assert_int_eq(f->st.error, 0);
	ck_assert_int_eq(f->st.exit_code, 126);
	ck_assert_str_eq(f->st.message,
			 "cannot execute /etc/passwd: Permission denied");
}

BOTH(run_environment_is_what_was_given)
{
	char a[] = "A=1", b[] = "LONG_NAME=two words \"quoted\"\nand a line",
	     c[] = "BYTES=\xff\xfe", d[] = "EMPTY=", e[] = "EQ=a=b";
	char *env[] = {a, b, c, d, e, NULL};
	char name[] = "env", opt[] = "-0";
	char *argv[] = {name, opt, NULL};
	char *text;
	size_t i;

	setenv("LEAKED", "from the daemon", 1);
	f->run.envp = env;
	fixture_run(f, argv);
	ck_assert_int_eq(f->st.exit_code, 0);
	text = fixture_text(f->out);
	const char *at = text;
	for (i = 0; env[i]; i++) {
		ck_assert_str_eq(at, env[i]);
		at += strlen(at) + 1;
	}
	ck_assert_str_eq(at, "PWD=/w");
	at += strlen(at) + 1;
	ck_assert_str_eq(at, "");
	free(text);
}

BOTH(run_preload_does_not_reach_bubblewrap)
{
	char pre[] = "LD_PRELOAD=/nonexistent/lib.so";
	char *env[] = {pre, NULL};

	f->run.envp = env;
	fixture_sh(f, "/usr/bin/true");
	ck_assert_int_eq(f->st.error, 0);
	ck_assert_int_eq(f->st.exit_code, 0);
}

BOTH(run_takes_any_bytes_as_arguments)
{
	char name[] = "printf", fmt[] = "<%s>", a[] = "two\nlines",
	     b[] = "\"'`$HOME\\", c[] = "\xff\x01", d[] = "", g[] = "--args";
	char *argv[] = {name, fmt, a, b, c, d, g, NULL};

	fixture_run(f, argv);
	ck_assert_int_eq(f->st.exit_code, 0);
	assert_file(f->out, "<two\nlines><\"'`$HOME\\><\xff\x01><><--args>");
}

BOTH(run_takes_arguments_of_a_megabyte)
{
	char name[] = "printf", fmt[] = "%s";
	char *big = malloc(100001);
	char *argv[12] = {name, fmt};
	struct stat st;
	int i;

	memset(big, 'x', 100000);
	big[100000] = '\0';
	for (i = 2; i < 11; i++)
		argv[i] = big;
	fixture_run(f, argv);
	ck_assert_int_eq(f->st.error, 0);
	ck_assert_int_eq(f->st.exit_code, 0);
	ck_assert_int_eq(stat(f->out, &st), 0);
	ck_assert_int_eq(st.st_size, 900000);
	free(big);
}

BOTH(run_with_too_long_arguments_is_e2big)
{
	char name[] = "true";
	char *big = malloc(140000);
	char *argv[70] = {name, big}, *env[] = {big, NULL};
	int i;

	memset(big, 'x', 139999);
	big[139999] = '\0';
	fixture_run(f, argv);
	ck_assert_int_eq(f->st.error, -E2BIG);
	ck_assert_ptr_nonnull(strstr(f->st.message, "argument 1 has 139999"));
	big[1] = '=';
	argv[1] = NULL;
	f->run.envp = env;
	fixture_run(f, argv);
	ck_assert_int_eq(f->st.error, -E2BIG);
	ck_assert_ptr_nonnull(strstr(f->st.message, "variable x has"));
	f->run.envp = NULL;
	big[120000] = '\0';
	for (i = 1; i < 69; i++)
		argv[i] = big;
	fixture_run(f, argv);
	ck_assert_int_eq(f->st.error, -E2BIG);
	ck_assert_ptr_nonnull(strstr(f->st.message, "arguments and env"));
	free(big);
}

START_TEST(run_with_a_wrong_request_is_einval)
{
	char name[] = "true", bad[] = "NOVALUE";
	char *argv[] = {name, NULL}, *env[] = {bad, NULL}, *none[] = {NULL};
	struct fixture f;

	fixture_init(&f, false);
	f.run.envp = env;
	fixture_run(&f, argv);
	ck_assert_int_eq(f.st.error, -EINVAL);
	ck_assert_ptr_nonnull(strstr(f.st.message, "NOVALUE"));
	f.run.envp = NULL;
	fixture_run(&f, none);
	ck_assert_int_eq(f.st.error, -EINVAL);
	f.run.inputs = "relative";
	fixture_run(&f, argv);
	ck_assert_int_eq(f.st.error, -EINVAL);
	ck_assert_ptr_nonnull(strstr(f.st.message, "relative"));
	f.run.inputs = NULL;
	f.run.stdout_path = "/no/such/dir/out";
	fixture_run(&f, argv);
	ck_assert_int_eq(f.st.error, -ENOENT);
	ck_assert_ptr_nonnull(strstr(f.st.message, "/no/such/dir/out"));
	fixture_done(&f);
}
END_TEST

BOTH(run_with_absent_inputs_cannot_start)
{
	char name[] = "true";
	char *argv[] = {name, NULL};

	f->run.inputs = "/no/such/inputs";
	fixture_run(f, argv);
	ck_assert_int_eq(f->st.error, -ENOENT);
	ck_assert_int_eq(f->st.exit_code, -1);
	ck_assert_ptr_nonnull(strstr(f->st.message, "/no/such/inputs"));
}

BOTH(run_sees_inputs_root_and_scratch_at_their_places)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/d", f->inputs);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/d/d", f->inputs);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/d/d/in", f->inputs);
	file = fopen(path, "w");
	fputs("hello\n", file);
	fclose(file);
	f->run.inputs = f->inputs;
	f->run.root = f->inputs;
	f->run.depth = 2;
	fixture_sh(f, "pwd; cat in; cat /r/d/d/in; ls ../..; "
		      "cp in /o/copy; mkdir /o/sub; id -u");
	ck_assert_int_eq(f->st.exit_code, 0);
	snprintf(path, sizeof(path), "/w/d/d\nhello\nhello\nd\n%u\n",
		 (unsigned)getuid());
	assert_file(f->out, path);
	snprintf(path, sizeof(path), "%s/copy", f->scratch);
	assert_file(path, "hello\n");
}

BOTH(run_without_inputs_has_an_empty_directory_of_that_depth)
{
	f->run.depth = 3;
	fixture_sh(f, "pwd; ls -A; ls /w");
	ck_assert_int_eq(f->st.exit_code, 0);
	assert_file(f->out, "/w/d/d/d\nd\n");
}

BOTH(run_user_is_called_the_same_everywhere)
{
	fixture_sh(f, "id -un; id -gn; whoami; hostname; cat < /dev/null");
	assert_file(f->out, "user\nuser\nuser\nderiva\n");
	ck_assert_int_eq(f->st.exit_code, 0);
}

BOTH(run_has_three_descriptors_and_an_empty_input)
{
	fixture_sh(f, "cat; ls /proc/self/fd; ls /proc/1/fd >/o/init || :");
	ck_assert_int_eq(f->st.exit_code, 0);
	assert_file(f->out, "0\n1\n2\n3\n"); /* 3: the listing's own */
}

BOTH(run_has_default_signals_and_sane_limits)
{
	fixture_sh(f, "grep -E '^Sig(Blk|Ign)' /proc/self/status; "
		      "ulimit -c; ulimit -n");
	assert_file(f->out, "SigBlk:\t0000000000000000\n"
			    "SigIgn:\t0000000000000000\n0\n1024\n");
}

BOTH(run_writes_much_to_both_streams)
{
	struct stat st;

	fixture_sh(f, "head -c 3000000 /dev/zero; "
		      "head -c 2000000 /dev/zero >&2; echo end");
	ck_assert_int_eq(f->st.exit_code, 0);
	ck_assert_int_eq(stat(f->out, &st), 0);
	ck_assert_int_eq(st.st_size, 3000004);
	ck_assert_int_eq(stat(f->err, &st), 0);
	ck_assert_int_eq(st.st_size, 2000000);
}

BOTH(run_streams_may_be_one_file_or_none)
{
	f->run.stderr_path = f->out;
	fixture_sh(f, "echo a; echo b >&2; echo c");
	assert_file(f->out, "a\nb\nc\n");
	f->run.stdout_path = f->run.stderr_path = NULL;
	fixture_sh(f, "echo a; echo b >&2; exit 4");
	ck_assert_int_eq(f->st.exit_code, 4);
}

BOTH(runs_at_once_do_not_mix)
{
	enum { N = 50 };
	char sh[] = "/bin/sh", opt[] = "-c", script[128], out[300], want[32];
	char *argv[] = {sh, opt, script, NULL};
	int i;

	f->run.argv = argv;
	f->run.stdout_path = out;
	for (i = 0; i < N; i++) {
		snprintf(out, sizeof(out), "%s/out.%d", f->dir, i);
		snprintf(script, sizeof(script), "sleep 0.2; echo %d", i);
		fixture_start(f);
	}
	ck_assert(fixture_wait(f, N));
	for (i = 0; i < N; i++) {
		snprintf(out, sizeof(out), "%s/out.%d", f->dir, i);
		snprintf(want, sizeof(want), "%d\n", i);
		assert_file(out, want);
	}
}

BOTH(check_finds_a_working_sandbox)
{
	struct err e;

	ck_assert_int_eq(sandbox_check(f->s, &e), 0);
	ck_assert_int_eq(sandbox_check(f->s, NULL), 0);
}

START_TEST(check_without_bubblewrap_names_the_package)
{
	char name[] = "true";
	char *argv[] = {name, NULL};
	struct fixture f;
	struct err e;

	setenv("PATH", "/nonexistent:relative", 1);
	fixture_init(&f, false);
	ck_assert_int_eq(sandbox_check(f.s, &e), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.msg, "apt-get install bubblewrap"));
	fixture_run(&f, argv);
	ck_assert_int_eq(f.st.error, -ENOENT);
	fixture_done(&f);
}
END_TEST

/* A bwrap of ours that says what the real one does on other machines. */
static void check_with_bwrap(const char *script, const char *want)
{
	char *dir = test_dir(), path[300];
	struct fixture f;
	struct err e;
	FILE *file;

	snprintf(path, sizeof(path), "%s/bwrap", dir);
	file = fopen(path, "w");
	fprintf(file, "#!/bin/sh\n%s\n", script);
	fclose(file);
	ck_assert_int_eq(chmod(path, 0755), 0);
	setenv("PATH", dir, 1);
	fixture_init(&f, false);
	ck_assert_int_lt(sandbox_check(f.s, &e), 0);
	ck_assert_msg(strstr(e.msg, want), "%s", e.msg);
	ck_assert_ptr_nonnull(strstr(e.msg, "unsafe-no-sandbox"));
	fixture_done(&f);
	remove_tree(dir);
	free(dir);
}

START_TEST(check_tells_what_bubblewrap_said_and_what_to_do)
{
	check_with_bwrap("echo 'bwrap: No permissions to create new "
			 "namespace, likely because the kernel does not allow "
			 "non-privileged user namespaces.' >&2; exit 1",
			 "No permissions to create new namespace");
	check_with_bwrap("echo 'bwrap: setting up uid map: Permission "
			 "denied' >&2; exit 1",
			 "namespaces");
	check_with_bwrap("echo 'bwrap: Unknown option --disable-userns' >&2; "
			 "exit 1",
			 "0.8 or newer");
	check_with_bwrap("exit 1", "without a word");
	check_with_bwrap("kill -9 $$", "killed by signal 9");
}
END_TEST

TESTS("sandbox", PAIR(run_reports_exit_codes), PAIR(run_reports_signals),
      PAIR(run_reports_cpu_and_memory_of_all_it_waited_for),
      PAIR(run_of_what_is_no_program_is_an_ordinary_failure),
      PAIR(run_environment_is_what_was_given),
      PAIR(run_preload_does_not_reach_bubblewrap),
      PAIR(run_takes_any_bytes_as_arguments),
      PAIR(run_takes_arguments_of_a_megabyte),
      PAIR(run_with_too_long_arguments_is_e2big),
      run_with_a_wrong_request_is_einval,
      PAIR(run_with_absent_inputs_cannot_start),
      PAIR(run_sees_inputs_root_and_scratch_at_their_places),
      PAIR(run_without_inputs_has_an_empty_directory_of_that_depth),
      PAIR(run_user_is_called_the_same_everywhere),
      PAIR(run_has_three_descriptors_and_an_empty_input),
      PAIR(run_has_default_signals_and_sane_limits),
      PAIR(run_writes_much_to_both_streams),
      PAIR(run_streams_may_be_one_file_or_none), PAIR(runs_at_once_do_not_mix),
      PAIR(check_finds_a_working_sandbox),
      check_without_bubblewrap_names_the_package,
      check_tells_what_bubblewrap_said_and_what_to_do)
