#include "cas/newer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "cas/pack_list.h"
#include "core/db.h"

#define LOOKED_AT 32 /* packs */

static int newest_first(const void *a, const void *b)
{
	const struct pack_item *x = a, *y = b;

	return x->mtime_ns > y->mtime_ns ? -1 : x->mtime_ns < y->mtime_ns;
}

static int check_pack(const char *path, int packs_fd, const struct pack_item *p,
		      struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	char name[PACK_NAME_LEN];
	int rc = pack_open(packs_fd, p->id, &fd);

	if (!rc)
		rc = pack_header_look(p->id, fd);
	if (rc != -EPROTONOSUPPORT)
		return 0;
	pack_name(p->id, name);
	return err_set(err, rc,
		       "%s/packs/%s: written by a newer version of deriva: "
		       "upgrade deriva",
		       path, name);
}

static int check_packs(const char *path, int dir_fd, struct err *err)
{
	CLEANUP(pack_list_done) struct pack_list l = {0};
	CLEANUP_CLOSE int fd = -1;
	size_t i;
	int rc;

	fd = openat(dir_fd, "packs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || pack_list_read(fd, &l) < 0)
		return 0;
	if (l.count > LOOKED_AT)
		qsort(l.items, l.count, sizeof(*l.items), newest_first);
	for (i = rc = 0; !rc && i < MIN(l.count, (size_t)LOOKED_AT); i++)
		rc = check_pack(path, fd, &l.items[i], err);
	return rc;
}

int newer_check(const char *path, int dir_fd, struct err *err)
{
	CLEANUP_FREE char *db = NULL;
	int version, rc;

	if (asprintf(&db, "%s/deriva.db", path) < 0) {
		db = NULL;
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	}
	rc = db_look(db, &version, err);
	return rc ? rc : check_packs(path, dir_fd, err);
}
