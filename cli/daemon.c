/* Standard input and output of a daemon are /dev/null, so that whoever waits
 * for the end of the starter's output (a pipe, ssh) does not wait for the
 * daemon. Its standard error is STORE/log from before mount_start() on, as
 * mount_start() forks a helper that inherits it. Where there is no log yet, one
 * must not appear before the store is known to be good: a directory that holds
 * a log would be refused as no store, and a refusal is to change nothing. So it
 * starts as a file without a name (O_TMPFILE), which gets its name when the
 * mount stands.
 */
#include "cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/mountpoint.h"
#include "core/buf.h"

#define LOG_MAX MIB(1)

bool store_exists(const char *store)
{
	CLEANUP_FREE char *path = path_join(store, "format");

	return path && access(path, F_OK) == 0;
}

/* The log that is there, put aside first when it has grown. -ENOENT. */
static int open_log(const char *path, int flags)
{
	CLEANUP_FREE char *old = NULL;
	struct stat st;
	int fd;

	if (stat(path, &st) == 0 && (uint64_t)st.st_size > LOG_MAX) {
		if (asprintf(&old, "%s.1", path) < 0)
			return -ENOMEM;
		if (rename(path, old) < 0)
			return -errno;
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0600);
	return fd < 0 ? -errno : fd;
}

/* A log that has no name yet, or /dev/null where such files cannot be. */
static int open_nameless(const char *store)
{
	CLEANUP_FREE char *dir = strdup(store);
	char *slash;
	int fd = -1;

	if (!dir)
		return -ENOMEM;
	if (access(dir, F_OK) < 0) {
		slash = strrchr(dir, '/');
		slash[slash == dir] = '\0';
	}
	fd = open(dir, O_TMPFILE | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The nameless log gets its name. */
static void name_log(const char *path)
{
	char self[64];
	int fd;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", STDERR_FILENO);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
		return;
	fd = open_log(path, O_CREAT);
	if (fd < 0)
		return;
	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* 1: the log has no name yet. */
static int redirect(const char *store, const char *log)
{
	CLEANUP_CLOSE int fd = -1, null = -1;
	bool nameless;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -errno;
	fd = store_exists(store) ? open_log(log, 0) : -ENOENT;
	nameless = fd == -ENOENT || fd == -EROFS;
	if (nameless)
		fd = open_nameless(store);
	if (fd < 0)
		return fd;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(fd, STDERR_FILENO) < 0)
		return -errno;
	return nameless;
}

/* '+' and the directory, or '-' and why not. */
static void tell(int fd, char sign, const char *text)
{
	if (dprintf(fd, "%c%s\n", sign, text) < 0)
		return; /* the starter has gone */
}

/* A new empty directory that only we can enter. */
static int private_dir(char **ret)
{
	const char *bases[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"),
			       "/tmp"};
	char *path;
	size_t i;

	for (i = 0; i < ARRAY_LEN(bases); i++) {
		if (!bases[i] || bases[i][0] != '/')
			continue;
		if (asprintf(&path, "%s/deriva-XXXXXX", bases[i]) < 0)
			return -ENOMEM;
		if (mkdtemp(path)) {
			*ret = path;
			return 0;
		}
		free(path);
	}
	return -errno;
}

/* Until mount_start() takes signals, the end of the starter must wait: SIGTERM
 * would leave a directory, or a mount, behind. */
static void block_term(void)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
}

/* The rest of the child's life; its exit status. */
static int serve(const struct daemon_args *a, const char *dir, int ready)
{
	CLEANUP_FREE char *log = path_join(a->store, "log");
	struct err err = {{0}};
	struct mount *m;
	bool nameless;
	int rc;

	rc = log ? redirect(a->store, log) : -ENOMEM;
	nameless = rc > 0;
	if (rc < 0)
		err_set(&err, rc, "%s: %s", log ? log : a->store, err_name(rc));
	if (rc >= 0 && chdir("/") < 0)
		rc = err_set(&err, -errno, "/: %s", err_name(errno));
	if (rc >= 0)
		rc = mount_start(a->store, dir, a->options, &m, &err);
	if (rc < 0) {
		tell(ready, '-', err.msg[0] ? err.msg : err_name(rc));
		return EXIT_FAILURE;
	}
	if (nameless)
		name_log(log);
	tell(ready, '+', dir);
	close(ready);
	return mount_serve(m) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The directory is made here, where it is sure to be taken away again. */
static int serve_private(const struct daemon_args *a, pid_t starter, int ready)
{
	CLEANUP_FREE char *dir = NULL;
	int rc, status;

	block_term();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != starter)
		return EXIT_FAILURE;
	rc = private_dir(&dir);
	if (rc < 0) {
		tell(ready, '-',
		     "no directory for a private mount can be made "
		     "(is TMPDIR right?)");
		return EXIT_FAILURE;
	}
	status = serve(a, dir, ready);
	if (rmdir(dir) < 0)
		log_warn("%s is left behind: %s", dir, err_name(errno));
	return status;
}

static NORETURN void child(const struct daemon_args *a, pid_t starter,
			   int ready)
{
	setsid();
	if (a->tied) {
		block_term();
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != starter)
			_exit(EXIT_FAILURE);
	}
	signal(SIGPIPE, SIG_DFL); /* the sandbox's commands inherit it */
	_exit(a->private ? serve_private(a, starter, ready)
			 : serve(a, a->dir, ready));
}

/* The one line that the child tells. The helper of the daemon may keep the
 * pipe open, so the end of the file is not waited for. */
static int await(int fd, char **ret_dir, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	ssize_t n;
	char c;

	while ((n = read(fd, &c, 1)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "%s", err_name(errno));
		if (c != '\n') {
			buf_u8(&b, (uint8_t)c);
			continue;
		}
		if (buf_cstr(&b)[0] != '+')
			return err_set(err, -EIO, "%s", buf_cstr(&b) + 1);
		*ret_dir = strdup(buf_cstr(&b) + 1);
		return *ret_dir ? 0 : -ENOMEM;
	}
	return err_set(err, -EIO,
		       "the daemon died before the mount could be used (the "
		       "store's file \"log\" may say why)");
}

int daemon_start(const struct daemon_args *a, pid_t *ret_pid, char **ret_dir,
		 struct err *err)
{
	pid_t self = getpid(), pid;
	int pipefd[2], rc;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_set(err, -errno, "pipe: %s", err_name(errno));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(pipefd[0]);
		child(a, self, pipefd[1]);
	}
	rc = pid < 0 ? -errno : 0;
	close(pipefd[1]);
	if (pid < 0)
		err_set(err, rc, "fork: %s", err_name(rc));
	else
		rc = await(pipefd[0], ret_dir, err);
	close(pipefd[0]);
	if (pid > 0 && rc < 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (rc >= 0)
		*ret_pid = pid;
	return rc;
}

int daemon_run(const struct daemon_args *a)
{
	struct mount *m;
	struct err err = {{0}};
	int rc;

	signal(SIGPIPE, SIG_DFL);
	if (chdir("/") < 0)
		return EXIT_FAILURE;
	rc = mount_start(a->store, a->dir, a->options, &m, &err);
	if (rc < 0) {
		log_error("%s", err.msg[0] ? err.msg : err_name(rc));
		return EXIT_FAILURE;
	}
	return mount_serve(m) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
