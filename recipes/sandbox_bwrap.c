/* What a command sees.
 *
 * The root is bubblewrap's own tmpfs, read-only in the end. /usr is the
 * machine's; /bin, /lib and the like are whatever they are here. /etc holds
 * made-up users, hosts and name services, and those of the machine's
 * directories that programs are lost without, each by name: never /etc as a
 * whole, since root's commands could read shadow there. Every bind costs 0.1 ms
 * a run, so only what exists is asked for, and the list is short.
 *
 * uid and gid stay those of the mounting user (in a namespace of their own,
 * without capabilities): FUSE answers nobody else.
 *
 * /proc is read-only as a whole: bubblewrap leaves /proc/sys as it is when its
 * directory cannot be written to, but root's commands are the owner of the
 * files in it, with or without capabilities.
 *
 * Arguments go through a memfd (--args): an environment may be long, and the
 * list of processes stays readable. The environment goes as --setenv, never
 * as bubblewrap's own, which LD_PRELOAD would take over outside the sandbox.
 * So does the filter of system calls (recipes/sandbox_seccomp.h), to --seccomp.
 */
#include "recipes/sandbox_bwrap.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "recipes/sandbox_seccomp.h"

#define ARG_MAX_STRING KIB(128) /* MAX_ARG_STRLEN, the NUL included */
#define ARG_MAX_ALL    MIB(6)	/* the kernel's bound, whatever the stack's */
#define ENV_MAX	       2800	/* bwrap takes 9000 words, 3 a variable */
#define DEPTH_MAX      1000

/* Arguments are kept as bwrap reads them: each ended by a NUL. */
static void arg(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s) + 1);
}

static void arg_number(struct buf *b, uint64_t n)
{
	char s[24];

	snprintf(s, sizeof(s), "%llu", (unsigned long long)n);
	arg(b, s);
}

#define ARGS(b, ...)                                       \
	do {                                               \
		const char *const args_[] = {__VA_ARGS__}; \
		size_t i_;                                 \
		for (i_ = 0; i_ < ARRAY_LEN(args_); i_++)  \
			arg(b, args_[i_]);                 \
	} while (0)

/* A link stays a link, a directory is bound. */
static void add_as_it_is(struct buf *b, const char *path)
{
	char to[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (lstat(path, &st) < 0)
		return;
	if (!S_ISLNK(st.st_mode)) {
		ARGS(b, "--ro-bind", path, path);
		return;
	}
	n = readlink(path, to, sizeof(to) - 1);
	if (n <= 0)
		return;
	to[n] = '\0';
	ARGS(b, "--symlink", to, path);
}

static void add_globs(struct buf *b, const char *const *patterns, size_t n)
{
	size_t i, j;

	for (i = 0; i < n; i++) {
		glob_t g = {0};

		if (!glob(patterns[i], 0, NULL, &g))
			for (j = 0; j < g.gl_pathc; j++)
				ARGS(b, "--ro-bind-try", g.gl_pathv[j],
				     g.gl_pathv[j]);
		globfree(&g);
	}
}

static void add_machine(struct buf *b)
{
	static const char *const links[] = {"/bin",   "/sbin",	"/lib",
					    "/lib32", "/lib64", "/libx32"};
	static const char *const config[] = {
		"/etc/ld.so.cache", "/etc/alternatives",
		"/etc/fonts",	    "/etc/ImageMagick-*",
		"/etc/java-*",	    "/etc/texmf",
		"/var/lib/texmf",   "/etc/R",
		"/etc/ghostscript", "/etc/ssl/openssl.cnf",
	};
	size_t i;

	/* Made by itself, a parent would be 0700. */
	ARGS(b, "--dir", "/etc", "--dir", "/etc/ssl", "--dir", "/var",
	     "--ro-bind", "/usr", "/usr");
	for (i = 0; i < ARRAY_LEN(links); i++)
		add_as_it_is(b, links[i]);
	add_globs(b, config, ARRAY_LEN(config));
	ARGS(b, "--symlink", "/usr/share/zoneinfo/Etc/UTC", "/etc/localtime",
	     "--symlink", "../usr/lib/os-release", "/etc/os-release",
	     "--symlink", "../tmp", "/var/tmp");
}

/* Absolute entries of PATH only: the helper lives in /. */
static char *find_bwrap(void)
{
	const char *dirs = getenv("PATH"), *end;
	char path[PATH_MAX];

	for (dirs = dirs ? dirs : "/usr/bin:/bin"; *dirs; dirs = end) {
		end = strchrnul(dirs, ':');
		snprintf(path, sizeof(path), "%.*s/bwrap", (int)(end - dirs),
			 dirs);
		if (*path == '/' && !access(path, X_OK))
			return strdup(path);
		end += *end == ':';
	}
	return NULL;
}

int bwrap_init(struct bwrap *b)
{
	static const char *const net[] = {
		"/etc/resolv.conf",	"/etc/hosts",
		"/etc/services",	"/etc/protocols",
		"/etc/ssl/certs",	"/etc/pki/tls/certs",
		"/etc/pki/ca-trust",	"/etc/ca-certificates",
		"/etc/crypto-policies",
	};

	*b = (struct bwrap){.path = find_bwrap()};
	ARGS(&b->args, "--unshare-user", "--unshare-pid", "--unshare-ipc",
	     "--unshare-uts", "--unshare-cgroup-try", "--disable-userns",
	     "--cap-drop", "ALL", "--die-with-parent", "--new-session",
	     "--hostname", "deriva", "--clearenv", "--proc", "/proc",
	     "--remount-ro", "/proc", "--dev", "/dev");
	add_machine(&b->args);
	add_globs(&b->net_args, net, ARRAY_LEN(net));
	b->filter_error = seccomp_program(false, &b->filter[0]);
	if (!b->filter_error)
		b->filter_error = seccomp_program(true, &b->filter[1]);
	return b->args.failed || b->net_args.failed ? -ENOMEM : 0;
}

void bwrap_done(struct bwrap *b)
{
	free(b->path);
	buf_done(&b->args);
	buf_done(&b->net_args);
	buf_done(&b->filter[0]);
	buf_done(&b->filter[1]);
}

static int check_path(const char *what, const char *path, struct err *err)
{
	if (!path || *path == '/')
		return 0;
	return err_set(err, -EINVAL, "%s: path is not absolute: %s", what,
		       path);
}

/* What execve(2) would refuse, told before anything is started. */
static int check_strings(const struct sandbox_run *run, struct err *err)
{
	size_t max = MIN((size_t)sysconf(_SC_ARG_MAX), ARG_MAX_ALL);
	size_t all = 0, n, i;

	for (i = 0; run->argv[i]; i++) {
		n = strlen(run->argv[i]) + 1;
		all += n + sizeof(char *);
		if (n > ARG_MAX_STRING)
			return err_set(err, -E2BIG,
				       "argument %zu has %zu bytes, the system "
				       "takes %llu: put the text into a file "
				       "that is an input",
				       i, n - 1, ARG_MAX_STRING - 1ULL);
	}
	for (i = 0; run->envp && run->envp[i]; i++) {
		const char *eq = strchr(run->envp[i], '=');

		if (!eq || eq == run->envp[i])
			return err_set(err, -EINVAL,
				       "environment: not NAME=VALUE: %.60s",
				       run->envp[i]);
		n = strlen(run->envp[i]) + 1;
		all += n + sizeof(char *);
		if (n > ARG_MAX_STRING)
			return err_set(err, -E2BIG,
				       "variable %.*s has %zu bytes, the "
				       "system takes %llu",
				       (int)MIN(eq - run->envp[i], 60),
				       run->envp[i], n - 1,
				       ARG_MAX_STRING - 1ULL);
	}
	if (i > ENV_MAX)
		return err_set(err, -E2BIG,
			       "%zu environment variables, at most %d go", i,
			       ENV_MAX);
	/* Room for what bubblewrap and the loader add. */
	if (all > max - KIB(4))
		return err_set(err, -E2BIG,
			       "arguments and environment have %zu bytes, the "
			       "system takes %zu",
			       all, (size_t)(max - KIB(4)));
	return 0;
}

int bwrap_check_run(const struct sandbox_run *run, struct err *err)
{
	int rc = check_path("inputs", run->inputs, err);

	if (!rc)
		rc = check_path("root", run->root, err);
	if (!rc)
		rc = check_path("scratch", run->scratch, err);
	if (!rc)
		rc = check_path("stdout", run->stdout_path, err);
	if (!rc)
		rc = check_path("stderr", run->stderr_path, err);
	if (rc)
		return rc;
	if (!run->argv[0])
		return err_set(err, -EINVAL, "no command");
	if (run->depth > DEPTH_MAX)
		return err_set(err, -EINVAL, "%u levels of directories",
			       run->depth);
	return check_strings(run, err);
}

uint64_t bwrap_tmp_size(const struct sandbox_run *run)
{
	if (!run->memory || !run->scratch_max)
		return MAX(run->memory, run->scratch_max);
	return MIN(run->memory, run->scratch_max);
}

/* Text for bwrap to read from a descriptor of its own (the offset is part of
 * an open file, so runs cannot share one). */
static int text_fd(struct bwrap_command *c, const void *p, size_t n)
{
	CLEANUP_CLOSE int fd = memfd_create("deriva", MFD_CLOEXEC);
	const uint8_t *at = p;
	ssize_t put;

	if (fd < 0)
		return -errno;
	for (; n; n -= (size_t)put, at += put) {
		put = write(fd, at, n);
		if (put < 0)
			return -errno;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	c->fds[c->n_fds++] = fd;
	return steal_fd(&fd);
}

static int add_file(struct bwrap_command *c, struct buf *b, const char *path,
		    const char *text)
{
	int fd = text_fd(c, text, strlen(text));

	if (fd < 0)
		return fd;
	ARGS(b, "--perms", "0444", "--file");
	arg_number(b, (uint64_t)fd);
	arg(b, path);
	return 0;
}

/* The user is called the same whoever mounts, so that output with a user's
 * name in it is reproducible. */
static int add_etc(struct bwrap_command *c, struct buf *b, bool network)
{
	char passwd[256], group[256];
	int rc;

	snprintf(passwd, sizeof(passwd),
		 "user:x:%u:%u:user:/tmp:/bin/sh\n"
		 "root:x:0:0:root:/tmp:/bin/sh\n"
		 "nobody:x:65534:65534:nobody:/:/bin/false\n",
		 (unsigned)getuid(), (unsigned)getgid());
	snprintf(group, sizeof(group),
		 "user:x:%u:\nroot:x:0:\nnogroup:x:65534:\n",
		 (unsigned)getgid());
	rc = add_file(c, b, "/etc/passwd", passwd);
	if (!rc)
		rc = add_file(c, b, "/etc/group", group);
	if (!rc)
		rc = add_file(c, b, "/etc/nsswitch.conf",
			      "passwd: files\ngroup: files\n"
			      "hosts: files dns\n");
	if (!rc && !network)
		rc = add_file(c, b, "/etc/hosts",
			      "127.0.0.1 localhost deriva\n::1 localhost\n");
	return rc;
}

static void add_tmpfs(struct buf *b, const char *path, uint64_t size)
{
	ARGS(b, "--perms", "1777");
	if (size) {
		arg(b, "--size");
		arg_number(b, size);
	}
	ARGS(b, "--tmpfs", path);
}

/* /w, /r and /o; then everything that is not to be written is closed. */
static void add_places(struct buf *b, const struct sandbox_run *run)
{
	struct buf cwd = BUF_INIT;
	unsigned i;

	buf_str(&cwd, "/w");
	for (i = 0; i < run->depth; i++)
		buf_str(&cwd, "/d");
	if (run->inputs)
		ARGS(b, "--ro-bind", run->inputs, "/w");
	else
		ARGS(b, "--dir", buf_cstr(&cwd));
	if (run->root)
		ARGS(b, "--ro-bind", run->root, "/r");
	else
		ARGS(b, "--dir", "/r");
	if (run->scratch)
		ARGS(b, "--bind", run->scratch, "/o");
	ARGS(b, "--remount-ro", "/", "--chdir", buf_cstr(&cwd));
	b->failed |= cwd.failed;
	buf_done(&cwd);
}

static int add_env(struct buf *b, char *const *envp)
{
	for (; envp && *envp; envp++) {
		const char *eq = strchr(*envp, '=');

		if (!eq)
			return -EINVAL;
		arg(b, "--setenv");
		buf_add(b, *envp, (size_t)(eq - *envp));
		buf_u8(b, 0);
		arg(b, eq + 1);
	}
	return 0;
}

static int add_filter(struct bwrap_command *c, struct buf *b,
		      const struct buf *filter)
{
	int fd = text_fd(c, filter->data, filter->len);

	if (fd < 0)
		return fd;
	arg(b, "--seccomp");
	arg_number(b, (uint64_t)fd);
	return 0;
}

static int add_all(const struct bwrap *base, const struct sandbox_run *run,
		   struct bwrap_command *c, struct buf *b)
{
	uint64_t tmp = bwrap_tmp_size(run);
	int rc;

	buf_add(b, base->args.data, base->args.len);
	if (run->network)
		buf_add(b, base->net_args.data, base->net_args.len);
	else
		arg(b, "--unshare-net");
	rc = add_etc(c, b, run->network);
	if (rc)
		return rc;
	add_tmpfs(b, "/tmp", tmp);
	add_tmpfs(b, "/dev/shm", tmp);
	ARGS(b, "--remount-ro", "/dev");
	add_places(b, run);
	rc = add_filter(c, b, &base->filter[run->network]);
	if (rc)
		return rc;
	rc = add_env(b, run->envp);
	return rc ? rc : buf_err(b);
}

static int make_argv(const struct bwrap *base, const struct sandbox_run *run,
		     int args_fd, int status_fd, struct bwrap_command *c)
{
	size_t n = 0, at = 0;
	char **v;

	while (run->argv[n])
		n++;
	v = calloc(n + 7, sizeof(*v));
	if (!v)
		return -ENOMEM;
	snprintf(c->text[0], sizeof(c->text[0]), "%d", args_fd);
	snprintf(c->text[1], sizeof(c->text[1]), "%d", status_fd);
	v[at++] = base->path;
	v[at++] = (char *)(uintptr_t) "--args";
	v[at++] = c->text[0];
	v[at++] = (char *)(uintptr_t) "--json-status-fd";
	v[at++] = c->text[1];
	v[at++] = (char *)(uintptr_t) "--";
	memcpy(v + at, run->argv, n * sizeof(*v));
	c->argv = v;
	return 0;
}

int bwrap_command(const struct bwrap *base, const struct sandbox_run *run,
		  struct bwrap_command *c)
{
	CLEANUP_BUF struct buf args = BUF_INIT;
	int pipes[2], rc, fd;

	*c = (struct bwrap_command){.status_fd = -1};
	rc = add_all(base, run, c, &args);
	if (rc)
		goto fail;
	rc = fd = text_fd(c, args.data, args.len);
	if (rc < 0)
		goto fail;
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		rc = -errno;
		goto fail;
	}
	c->status_fd = pipes[0];
	c->fds[c->n_fds++] = pipes[1];
	if (fcntl(pipes[0], F_SETFL, O_NONBLOCK) < 0) {
		rc = -errno;
		goto fail;
	}
	rc = make_argv(base, run, fd, pipes[1], c);
	if (!rc)
		return 0;
fail:
	close_fdp(&c->status_fd);
	bwrap_command_done(c);
	return rc;
}

void bwrap_command_done(struct bwrap_command *c)
{
	while (c->n_fds)
		close(c->fds[--c->n_fds]);
	free(c->argv);
	c->argv = NULL;
}

/* The number behind `"key": `, or -1. bwrap writes one document a line; a
 * line counts once it is whole. */
static long number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	char *end;
	long n;

	if (!at || !strchr(at, '\n'))
		return -1;
	at += strlen(key);
	n = strtol(at, &end, 10);
	return end == at ? -1 : n;
}

void bwrap_read_report(int status_fd, struct bwrap_report *r)
{
	ssize_t n;
	long v;

	do {
		n = read(status_fd, r->text + r->len,
			 sizeof(r->text) - 1 - r->len);
		if (n > 0)
			r->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	r->text[r->len] = '\0';
	v = number_after(r->text, "\"child-pid\": ");
	r->init = v > 0 && v <= INT_MAX ? (pid_t)v : 0;
	v = number_after(r->text, "\"exit-code\": ");
	r->exit_code = v >= 0 && v <= 255 ? (int)v : -1;
}
