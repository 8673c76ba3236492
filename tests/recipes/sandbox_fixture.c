#include "tests/recipes/sandbox_fixture.h"

#include "tests/lib/harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <time.h>

static char *const default_env[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin",
				    NULL};

void fixture_init(struct fixture *f, bool user)
{
	struct err e;

	memset(f, 0, sizeof(*f));
	if (user && !getuid()) {
		ck_assert_int_eq(setgroups(0, NULL), 0);
		ck_assert_int_eq(setresgid(TEST_UID, TEST_UID, TEST_UID), 0);
		ck_assert_int_eq(setresuid(TEST_UID, TEST_UID, TEST_UID), 0);
	}
	f->dir = test_dir();
	snprintf(f->out, sizeof(f->out), "%s/out", f->dir);
	snprintf(f->err, sizeof(f->err), "%s/err", f->dir);
	snprintf(f->scratch, sizeof(f->scratch), "%s/scratch", f->dir);
	snprintf(f->inputs, sizeof(f->inputs), "%s/inputs", f->dir);
	ck_assert_int_eq(mkdir(f->scratch, 0755), 0);
	ck_assert_int_eq(mkdir(f->inputs, 0755), 0);
	f->run = (struct sandbox_run){.scratch = f->scratch,
				      .stdout_path = f->out,
				      .stderr_path = f->err,
				      .envp = default_env,
				      .timeout_ns = 50 * NSEC_PER_SEC};
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->cond, NULL);
	ck_assert_int_eq(sandbox_open(&f->s, &e), 0);
}

void fixture_done(struct fixture *f)
{
	sandbox_close(f->s);
	remove_tree(f->dir);
	free(f->dir);
}

static void done(void *ctx, const struct sandbox_status *st)
{
	struct fixture *f = ctx;

	pthread_mutex_lock(&f->lock);
	f->st = *st;
	f->ended++;
	pthread_cond_broadcast(&f->cond);
	pthread_mutex_unlock(&f->lock);
}

uint64_t fixture_start(struct fixture *f)
{
	uint64_t id = 0;

	ck_assert_int_eq(sandbox_start(f->s, &f->run, done, f, &id), 0);
	return id;
}

bool fixture_wait(struct fixture *f, unsigned ended)
{
	struct timespec t;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 60;
	pthread_mutex_lock(&f->lock);
	while (f->ended < ended && !rc)
		rc = pthread_cond_timedwait(&f->cond, &f->lock, &t);
	pthread_mutex_unlock(&f->lock);
	return !rc;
}

void fixture_run(struct fixture *f, char *const *argv)
{
	unsigned ended = f->ended;

	f->run.argv = argv;
	fixture_start(f);
	ck_assert(fixture_wait(f, ended + 1));
}

void fixture_sh(struct fixture *f, const char *script)
{
	char *copy = strdup(script);
	char sh[] = "/bin/sh", opt[] = "-euc";
	char *argv[] = {sh, opt, copy, NULL};

	fixture_run(f, argv);
	free(copy);
}

char *fixture_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, MIB(4));
	size_t n;

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(text);
	n = fread(text, 1, MIB(4) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static bool has_text(const char *pid, const char *text, size_t len)
{
	char path[300], line[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, line, sizeof(line));
	if (fd >= 0)
		close(fd);
	return n > 0 && memmem(line, (size_t)n, text, len);
}

static unsigned count(const char *text, size_t len)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			n += has_text(e->d_name, text, len);
	closedir(d);
	return n;
}

unsigned processes_with(const char *text)
{
	return count(text, strlen(text));
}

unsigned sleepers(const char *time)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "sleep%c%s", '\0', time);

	return count(text, (size_t)n);
}

bool processes_gone(const char *text, unsigned ms)
{
	unsigned i;

	for (i = 0; i < ms / 10; i++) {
		if (!processes_with(text))
			return true;
		usleep(10000);
	}
	return false;
}
