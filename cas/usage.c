#include "cas/usage.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

static void add(const char *below, uint64_t bytes, struct usage *u)
{
	u->disk += bytes;
	if (!strncmp(below, "/packs", 6))
		u->packs += bytes;
	else if (!strncmp(below, "/deriva.db", 10))
		u->database += bytes;
	else if (!strncmp(below, "/drafts", 7))
		u->drafts += bytes;
}

int usage_read(const char *store, struct usage *ret)
{
	char *const paths[] = {(char *)(uintptr_t)store, NULL};
	FTS *f = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	size_t n = strlen(store);
	struct usage u = {0};
	FTSENT *e;

	if (!f)
		return -errno;
	while ((e = fts_read(f))) {
		/* files come and go meanwhile */
		if (e->fts_info == FTS_DP || e->fts_info == FTS_NS ||
		    e->fts_info == FTS_ERR)
			continue;
		add(e->fts_path + n, (uint64_t)e->fts_statp->st_blocks * 512,
		    &u);
	}
	fts_close(f);
	if (!u.disk)
		return -ENOENT;
	*ret = u;
	return 0;
}
