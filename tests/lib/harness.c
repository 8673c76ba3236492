#include "tests/lib/harness.h"

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
void remove_tree(const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fprintf(stderr, "%s is left behind\n", path);
}
