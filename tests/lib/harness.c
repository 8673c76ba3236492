#include "tests/lib/harness.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>

char *test_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *path = NULL;

	ck_assert_int_gt(asprintf(&path, "%s/deriva-test-XXXXXX",
				  tmp ? tmp : "/tmp"),
			 0);
	ck_assert_ptr_nonnull(mkdtemp(path));
	return path;
}

/*
 * rm, as hostile tests leave trees that are deeper than a stack of calls; by
 * its path, as tests change PATH.
 */
static bool removed(const char *path, bool quiet)
{
	pid_t pid = fork();
	int status, fd;

	if (pid == 0) {
		fd = quiet ? open("/dev/null", O_WRONLY) : -1;
		if (fd >= 0)
			dup2(fd, 2);
		execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* What was just killed may still make a file in there. */
void remove_tree(const char *path)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (removed(path, i < 99))
			return;
		usleep(20000);
	}
	fprintf(stderr, "%s is left behind\n", path);
}
