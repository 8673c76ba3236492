/* tests/fs/sys.c - one system call a run, for the tests on real mounts.
 *
 * Prints "ok" or the name of the errno, so that a shell script can tell EPERM
 * from EACCES; and a few things that no ordinary tool does.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int answer(int rc)
{
	puts(rc < 0 ? strerrorname_np(errno) : "ok");
	return 0;
}

/* r, w or rw, then any of c (create), x (exclusive), t (truncate), a (append),
 * d (directory), n (no follow), p (path only) */
static int flags_of(const char *s)
{
	int flags =
		strchr(s, 'w') ? strchr(s, 'r') ? O_RDWR : O_WRONLY : O_RDONLY;

	flags |= strchr(s, 'c') ? O_CREAT : 0;
	flags |= strchr(s, 'x') ? O_EXCL : 0;
	flags |= strchr(s, 't') ? O_TRUNC : 0;
	flags |= strchr(s, 'a') ? O_APPEND : 0;
	flags |= strchr(s, 'd') ? O_DIRECTORY : 0;
	flags |= strchr(s, 'n') ? O_NOFOLLOW : 0;
	flags |= strchr(s, 'p') ? O_PATH : 0;
	return flags;
}

static int do_open(char **arg)
{
	return answer(open(arg[1], flags_of(arg[0]), 0644));
}

static int do_unlink(char **arg)
{
	return answer(unlink(arg[0]));
}

static int do_rmdir(char **arg)
{
	return answer(rmdir(arg[0]));
}

static int do_mkdir(char **arg)
{
	return answer(mkdir(arg[0], 0755));
}

static int do_stat(char **arg)
{
	struct stat st;

	return answer(lstat(arg[0], &st));
}

static int do_truncate(char **arg)
{
	return answer(truncate(arg[0], strtoll(arg[1], NULL, 10)));
}

static int do_chmod(char **arg)
{
	return answer(chmod(arg[0], (mode_t)strtol(arg[1], NULL, 8)));
}

static int do_link(char **arg)
{
	return answer(link(arg[0], arg[1]));
}

static int do_symlink(char **arg)
{
	return answer(symlink(arg[0], arg[1]));
}

static int do_rename(char **arg)
{
	return answer(rename(arg[0], arg[1]));
}

static int do_exchange(char **arg)
{
	return answer(
		renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1], RENAME_EXCHANGE));
}

static int do_noreplace(char **arg)
{
	return answer(renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1],
				RENAME_NOREPLACE));
}

/* PATH OFFSET TEXT, through a shared mapping */
static int do_mmap_write(char **arg)
{
	int fd = open(arg[0], O_RDWR);
	off_t off = strtoll(arg[1], NULL, 10);
	struct stat st;
	char *map;

	if (fd < 0 || fstat(fd, &st) < 0)
		return answer(-1);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	if (map == MAP_FAILED)
		return answer(-1);
	memcpy(map + off, arg[2], strlen(arg[2]));
	if (munmap(map, (size_t)st.st_size) < 0)
		return answer(-1);
	return answer(close(fd));
}

/* PATH OFFSET TEXT */
static int do_pwrite(char **arg)
{
	int fd = open(arg[0], O_WRONLY | O_CREAT, 0644);
	ssize_t n;

	if (fd < 0)
		return answer(-1);
	n = pwrite(fd, arg[2], strlen(arg[2]), strtoll(arg[1], NULL, 10));
	if (n < 0)
		return answer(-1);
	return answer(close(fd));
}

/* PATH OFFSET LENGTH: punches a hole */
static int do_punch(char **arg)
{
	int fd = open(arg[0], O_RDWR);

	if (fd < 0)
		return answer(-1);
	return answer(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				strtoll(arg[1], NULL, 10),
				strtoll(arg[2], NULL, 10)));
}

/* PATH: "data-start data-end" for every piece of data */
static int do_segments(char **arg)
{
	int fd = open(arg[0], O_RDONLY);
	off_t data = 0, hole;

	if (fd < 0)
		return answer(-1);
	while ((data = lseek(fd, data, SEEK_DATA)) >= 0) {
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return answer(-1);
		printf("%lld %lld\n", (long long)data, (long long)hole);
		data = hole;
	}
	return errno == ENXIO ? 0 : answer(-1);
}

/* PATH COUNT TEXT: appends the line so many times, an open each */
static int do_append(char **arg)
{
	long n = strtol(arg[1], NULL, 10);
	char line[256];

	snprintf(line, sizeof(line), "%s\n", arg[2]);
	while (n--) {
		int fd = open(arg[0], O_WRONLY | O_APPEND | O_CREAT, 0644);

		if (fd < 0 || write(fd, line, strlen(line)) < 0 ||
		    close(fd) < 0)
			return answer(-1);
	}
	return answer(0);
}

/* Four processes, all at once, open a name that is not there yet, append a
 * line and close, a few times each. */
static int append_line(const char *path, int who)
{
	char line[8];
	int i, fd;

	for (i = 0; i < 3; i++) {
		snprintf(line, sizeof(line), "%d %d\n", who, i);
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
		if (fd < 0 || write(fd, line, 4) != 4 || close(fd) < 0)
			return 1;
	}
	return 0;
}

static void appender(const char *dir, long n, int who, unsigned *turn)
{
	char path[4096];
	long i;

	for (i = 0; i < n; i++) {
		__atomic_add_fetch(turn, 1, __ATOMIC_ACQ_REL);
		while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) <
		       4 * (unsigned)(i + 1))
			sched_yield();
		snprintf(path, sizeof(path), "%s/r%ld", dir, i);
		if (append_line(path, who))
			_exit(1);
	}
	_exit(0);
}

/* DIR COUNT: that many such files; prints how many have not all 12 lines */
static int do_race_append(char **arg)
{
	long i, n = strtol(arg[1], NULL, 10), bad = 0;
	unsigned *turn = mmap(NULL, sizeof(*turn), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[4096];
	struct stat st;
	int k, status;

	if (turn == MAP_FAILED)
		return answer(-1);
	for (k = 0; k < 4; k++)
		if (!fork())
			appender(arg[0], n, k, turn);
	for (k = 0; k < 4; k++)
		if (wait(&status) < 0 || status)
			return answer(-1);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/r%ld", arg[0], i);
		if (stat(path, &st) < 0)
			return answer(-1);
		bad += st.st_size != 48;
	}
	printf("%ld\n", bad);
	return 0;
}

/* DIR COUNT: files f1, f2, ... that hold their number; a line with the number
 * and the time in ns once close has returned. Ends with the first error. */
static int do_writer(char **arg)
{
	long i, n = strtol(arg[1], NULL, 10);

	for (i = 1; i <= n; i++) {
		char path[4096], text[32];
		int fd, len;

		snprintf(path, sizeof(path), "%s/f%ld", arg[0], i);
		len = snprintf(text, sizeof(text), "%ld\n", i);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || write(fd, text, (size_t)len) != len ||
		    close(fd) < 0)
			return 0;
		printf("%ld %lld\n", i, (long long)now_ns());
		fflush(stdout);
	}
	return 0;
}

/* PID: kills it with SIGKILL, prints the time just before */
static int do_kill(char **arg)
{
	printf("%lld\n", (long long)now_ns());
	return kill((pid_t)strtol(arg[0], NULL, 10), SIGKILL) < 0;
}

/* PATH MS: a child opens PATH; after so long it gets SIGINT, as from Ctrl-C.
 * Prints how many ms later it was gone, or what open said before. */
static int do_interrupt(char **arg)
{
	int64_t at;
	int status;
	pid_t pid;

	signal(SIGINT, SIG_DFL);
	pid = fork();
	if (pid == 0)
		_exit(open(arg[0], O_RDONLY) < 0 ? errno : 0);
	usleep((useconds_t)(1000 * strtol(arg[1], NULL, 10)));
	at = now_ns();
	kill(pid, SIGINT);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return answer(-1);
	if (WIFSIGNALED(status))
		printf("%lld\n", (long long)((now_ns() - at) / 1000000));
	else if (WEXITSTATUS(status))
		puts(strerrorname_np(WEXITSTATUS(status)));
	else
		puts("opened");
	return 0;
}

/* NAME PATH: the value of an extended attribute. The tools of the attr package
 * lstat() the file first, which may compute it; this does not. */
static int do_getxattr(char **arg)
{
	static char value[1 << 16];
	ssize_t n = getxattr(arg[1], arg[0], value, sizeof(value));

	if (n < 0) {
		fprintf(stderr, "%s: %s: %s\n", arg[1], arg[0],
			strerrorname_np(errno));
		return 1;
	}
	return fwrite(value, (size_t)n, 1, stdout) == 1 || !n ? 0 : 1;
}

/* PATH: open, fstat, read whole; three sizes that have to agree */
static int do_sizes(char **arg)
{
	static char block[1 << 16];
	struct stat before, open_st;
	long long sum = 0;
	ssize_t n;
	int fd;

	if (stat(arg[0], &before) < 0)
		return answer(-1);
	fd = open(arg[0], O_RDONLY);
	if (fd < 0 || fstat(fd, &open_st) < 0)
		return answer(-1);
	while ((n = read(fd, block, sizeof(block))) > 0)
		sum += n;
	if (n < 0)
		return answer(-1);
	printf("%lld %lld %lld\n", (long long)before.st_size,
	       (long long)open_st.st_size, sum);
	return 0;
}

/* MiB SEED: that much of a pseudo-random stream (xorshift64) */
static int do_noise(char **arg)
{
	uint64_t left = strtoull(arg[0], NULL, 10) << 20;
	uint64_t x = strtoull(arg[1], NULL, 10) * 2 + 1;
	static uint64_t block[1 << 13];
	size_t i;

	for (; left; left -= sizeof(block)) {
		for (i = 0; i < sizeof(block) / sizeof(*block); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			block[i] = x;
		}
		if (fwrite(block, sizeof(block), 1, stdout) != 1)
			return 1;
	}
	return fflush(stdout) ? 1 : 0;
}

static const struct command {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{"open", 2, do_open},
	{"unlink", 1, do_unlink},
	{"rmdir", 1, do_rmdir},
	{"mkdir", 1, do_mkdir},
	{"stat", 1, do_stat},
	{"truncate", 2, do_truncate},
	{"chmod", 2, do_chmod},
	{"link", 2, do_link},
	{"symlink", 2, do_symlink},
	{"rename", 2, do_rename},
	{"exchange", 2, do_exchange},
	{"noreplace", 2, do_noreplace},
	{"mmap-write", 3, do_mmap_write},
	{"pwrite", 3, do_pwrite},
	{"punch", 3, do_punch},
	{"segments", 1, do_segments},
	{"append", 3, do_append},
	{"race-append", 2, do_race_append},
	{"writer", 2, do_writer},
	{"kill", 1, do_kill},
	{"interrupt", 2, do_interrupt},
	{"getxattr", 2, do_getxattr},
	{"sizes", 1, do_sizes},
	{"noise", 2, do_noise},
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(argv[1], commands[i].name) &&
		    argc - 2 == commands[i].args)
			return commands[i].run(argv + 2);
	fprintf(stderr, "sys: no such command, or not with %d arguments\n",
		argc - 2);
	return 2;
}
