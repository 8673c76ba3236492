#include "tests/fuzz/input.h"

#include <ftw.h>
#include <sys/stat.h>

static char dir[4096];

static int take_away(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void work_clear(const char *path)
{
	nftw(path, take_away, 16, FTW_PHYS | FTW_DEPTH);
}

static void at_end(void)
{
	work_clear(dir);
}

const char *work_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (*dir)
		return dir;
	snprintf(dir, sizeof(dir), "%s/fuzz.XXXXXX", tmp ? tmp : "/tmp");
	REQUIRE(mkdtemp(dir));
	atexit(at_end);
	return dir;
}
