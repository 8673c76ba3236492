#include "cas/gc_packs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cas/gc_copy.h"
#include "core/clock.h"
#include "core/map.h"

#define SMALL	   (PACK_SEAL / 16)
#define ROUND	   PACK_SEAL /* bytes that are copied at a time */
#define SMALL_MANY 16	     /* of small packs: they are brought together */

struct gc_pack {
	uint8_t id[PACK_ID_LEN];
	uint32_t number; /* 0: no row refers to it */
	bool busy;
	uint64_t size;
	int64_t mtime_ns;
	uint64_t live, rows; /* bytes of records, how many */
	bool rewrite, copied;
};

struct gc_packs {
	struct store *s;
	struct dooms *d;
	bool all;
	struct gc_pack *list;
	size_t count;
	struct map *by_number;
};

static int each_pack(int packs_fd,
		     int (*fn)(void *ctx, int fd, const uint8_t *id), void *ctx)
{
	uint8_t id[PACK_ID_LEN];
	int fd = openat(packs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!d) {
		rc = -errno;
		close_fdp(&fd);
		return rc;
	}
	while (rc >= 0 && (e = readdir(d))) {
		CLEANUP_CLOSE int pack_fd = -1;

		if (!pack_parse_name(e->d_name, id))
			continue;
		pack_fd = openat(packs_fd, e->d_name,
				 O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (pack_fd >= 0)
			rc = fn(ctx, pack_fd, id);
		else if (errno != ENOENT)
			rc = -errno;
	}
	closedir(d);
	return rc;
}

/* Its writer holds a lock on it. */
static bool is_busy(int fd)
{
	return flock(fd, LOCK_SH | LOCK_NB) < 0;
}

static int count_busy(void *ctx, int fd, const uint8_t *id)
{
	(void)id;
	*(int *)ctx += is_busy(fd);
	return 0;
}

int gc_packs_busy(struct store *s)
{
	int n = 0, rc = each_pack(store_packs_fd(s), count_busy, &n);

	return rc < 0 ? rc : n;
}

static int add_pack(void *ctx, int fd, const uint8_t *id)
{
	struct gc_packs *g = ctx;
	struct gc_pack *list;
	struct stat st;

	list = reallocarray(g->list, g->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	g->list = list;
	list += g->count;
	*list = (struct gc_pack){.busy = !g->all && is_busy(fd)};
	if (fstat(fd, &st) < 0)
		return -errno;
	memcpy(list->id, id, PACK_ID_LEN);
	list->size = (uint64_t)st.st_size;
	list->mtime_ns = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
	g->count++;
	return 0;
}

int gc_packs_new(struct store *s, struct dooms *d, bool all,
		 struct gc_packs **ret)
{
	CLEANUP(gc_packs_freep) struct gc_packs *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return -ENOMEM;
	g->s = s;
	g->d = d;
	g->all = all;
	rc = each_pack(store_packs_fd(s), add_pack, g);
	if (rc < 0)
		return rc;
	*ret = steal(&g);
	return 0;
}

void gc_packs_free(struct gc_packs *g)
{
	if (!g)
		return;
	free(g->list);
	map_free(g->by_number);
	free(g);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(((const struct gc_pack *)a)->id,
		      ((const struct gc_pack *)b)->id, PACK_ID_LEN);
}

static int note_number(struct gc_packs *g, const struct pack_row *row)
{
	struct gc_pack key = {.number = row->number}, *p;

	memcpy(key.id, row->id, PACK_ID_LEN);
	p = g->count ? bsearch(&key, g->list, g->count, sizeof(key), by_id)
		     : NULL;
	if (!p)
		return 0; /* it is newer, or its file is gone */
	p->number = row->number;
	return map_put_u64(g->by_number, row->number, p);
}

int gc_packs_number(struct gc_packs *g)
{
	struct pack_row rows[256];
	uint32_t after = 0;
	int n, i, rc = 0;

	if (g->count)
		qsort(g->list, g->count, sizeof(*g->list), by_id);
	map_free(g->by_number);
	g->by_number = map_new();
	if (!g->by_number)
		return -ENOMEM;
	while ((n = dooms_packs(g->d, after, rows, ARRAY_LEN(rows))) > 0) {
		for (i = 0; !rc && i < n; i++)
			rc = note_number(g, &rows[i]);
		if (rc)
			return rc;
		after = rows[n - 1].number;
	}
	for (i = 0; (size_t)i < g->count; i++)
		g->list[i].live = g->list[i].rows = 0;
	return n;
}

static struct gc_pack *pack_of(struct gc_packs *g, const struct object_loc *loc)
{
	return map_get_u64(g->by_number, loc->pack);
}

bool gc_packs_count(struct gc_packs *g, const struct object_loc *loc)
{
	struct gc_pack *p = pack_of(g, loc);

	if (!p)
		return false;
	p->live += RECORD_HEADER_LEN + (uint64_t)loc->stored;
	p->rows++;
	return true;
}

bool gc_packs_young(struct gc_packs *g, const struct object_loc *loc,
		    int64_t ns)
{
	const struct gc_pack *p = pack_of(g, loc);

	return ns && (!p || p->busy || clock_now_ns() - p->mtime_ns < ns);
}

/* --- choosing ------------------------------------------------------------ */

static uint64_t waste(const struct gc_pack *p)
{
	uint64_t used = p->live + PACK_HEADER_LEN;

	return p->size > used ? p->size - used : 0;
}

static bool is_small(const struct gc_pack *p)
{
	return !p->busy && p->rows && p->size < SMALL;
}

/* The files that copying writes, all to be filled up one after the other. */
static uint64_t written(const struct gc_packs *g)
{
	uint64_t bytes = 0, n;
	size_t i;

	for (i = 0; i < g->count; i++)
		if (g->list[i].rewrite)
			bytes += g->list[i].live;
	n = bytes ? (bytes + COPY_SEAL - 1) / COPY_SEAL : 0;
	return bytes + n * PACK_HEADER_LEN;
}

void gc_packs_plan(struct gc_packs *g, unsigned percent,
		   struct gc_pack_totals *ret)
{
	struct gc_pack_totals t = {0};
	struct gc_pack *p;
	size_t i, small = 0;
	uint64_t gone = 0;

	for (i = 0; i < g->count; i++)
		small += is_small(&g->list[i]);
	for (i = 0; i < g->count; i++) {
		p = &g->list[i];
		if (!p->rows && !p->busy) {
			t.removed++;
			gone += p->size;
			continue;
		}
		p->rewrite =
			!p->busy &&
			((waste(p) && waste(p) * 100 >= p->size * percent) ||
			 (small >= SMALL_MANY && is_small(p)));
		if (p->rewrite) {
			t.rewritten++;
			t.moved += p->live;
			gone += p->size;
		} else {
			t.left += waste(p);
		}
	}
	gone -= MIN(gone, written(g));
	t.freed = gone;
	*ret = t;
}

/* --- doing --------------------------------------------------------------- */

static int unlink_pack(struct gc_packs *g, struct gc_pack *p)
{
	char name[PACK_NAME_LEN];

	pack_name(p->id, name);
	if (unlinkat(store_packs_fd(g->s), name, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static int forget_row(struct gc_packs *g, const struct gc_pack *p)
{
	struct db *db = store_db(g->s);
	int rc;

	if (!p->number)
		return 0;
	db_lock(db);
	rc = dooms_remove_pack(g->d, p->number);
	if (!rc)
		rc = db_commit(db);
	db_unlock(db);
	return rc;
}

/* Those without rows; all that went before is durable. */
static int remove_dead(struct gc_packs *g, struct gc_pack_totals *t)
{
	struct gc_pack *p;
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < g->count; i++) {
		p = &g->list[i];
		if (p->rows || p->busy)
			continue;
		rc = forget_row(g, p);
		if (!rc)
			rc = unlink_pack(g, p);
		if (rc)
			return rc;
		t->removed++;
		t->freed += p->size;
	}
	return rc;
}

/* 1: all of its objects lie elsewhere now. */
static int copy_pack(struct gc_packs *g, struct gc_pack *p, struct gc_copy *c)
{
	CLEANUP_CLOSE int fd = -1;
	char name[PACK_NAME_LEN];
	uint64_t rows = 0;
	int rc;

	pack_name(p->id, name);
	fd = openat(store_packs_fd(g->s), name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	rc = gc_copy_pack(c, fd, p->id, p->number, &rows);
	if (rc < 0)
		return rc;
	if (rows < p->rows) {
		log_warn("packs/%s: %llu objects cannot be read, so it stays; "
			 "deriva fsck says more",
			 name, (unsigned long long)(p->rows - rows));
		return 0;
	}
	return 1;
}

/* Those that were copied go, when that is on the disk. */
static int drop_copied(struct gc_packs *g, struct gc_copy *c, size_t upto,
		       struct gc_pack_totals *t)
{
	struct gc_pack *p;
	size_t i;
	int rc = gc_copy_flush(c);

	if (!rc)
		rc = store_sync(g->s);
	for (i = 0; !rc && i < upto; i++) {
		p = &g->list[i];
		if (!p->copied)
			continue;
		rc = forget_row(g, p);
		if (!rc)
			rc = unlink_pack(g, p);
		if (rc)
			break;
		p->copied = false;
		t->rewritten++;
		t->freed += p->size;
	}
	return rc;
}

/* Some packs first, then what they were: so no more room is taken meanwhile
 * than a round has. */
static int copy_all(struct gc_packs *g, struct gc_copy *c,
		    struct gc_pack_totals *t)
{
	uint64_t round = 0;
	struct gc_pack *p;
	size_t i;
	int rc = 0, end;

	for (i = 0; rc >= 0 && i < g->count; i++) {
		p = &g->list[i];
		if (!p->rewrite)
			continue;
		rc = copy_pack(g, p, c);
		p->copied = rc > 0;
		round += p->live;
		if (rc >= 0 && round >= ROUND) {
			rc = drop_copied(g, c, i + 1, t);
			round = 0;
		}
	}
	end = drop_copied(g, c, g->count, t);
	return rc < 0 ? rc : end;
}

static int rewrite(struct gc_packs *g, bool (*stop)(void *ctx), void *ctx,
		   struct gc_pack_totals *t)
{
	CLEANUP(gc_copy_freep) struct gc_copy *c = NULL;
	uint64_t before = t->freed;
	int rc = gc_copy_new(g->s, g->d, stop, ctx, &c), end;

	if (rc)
		return rc;
	rc = copy_all(g, c, t);
	end = gc_copy_end(c, &t->moved);
	t->freed -= MIN(gc_copy_size(c), t->freed - before);
	return rc < 0 ? rc : end;
}

int gc_packs_sweep(struct gc_packs *g, bool (*stop)(void *ctx), void *ctx,
		   struct gc_pack_totals *ret)
{
	struct gc_pack_totals t = {.left = ret->left};
	bool any = false;
	size_t i;
	int rc;

	for (i = 0; i < g->count; i++)
		any = any || g->list[i].rewrite;
	rc = remove_dead(g, &t);
	if (!rc && any)
		rc = rewrite(g, stop, ctx, &t);
	if (fsync(store_packs_fd(g->s)) < 0 && !rc)
		rc = -errno;
	*ret = t;
	return rc;
}
