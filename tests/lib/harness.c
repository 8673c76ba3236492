#include "tests/lib/harness.h"

#include <ftw.h>
#include <sys/stat.h>

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

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void remove_tree(const char *path)
{
	nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}
