/* The order of a check: what can be said before the database is opened, the
 * rows, the packs, and who needs what is damaged. A database that does not open
 * ends it after the packs, each record of which is checked for itself then.
 */
#include "cas/fsck_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/vfs.h"

/* --- findings --------------------------------------------------------------
 */

void fsck_found(struct fsck *f, struct fsck_finding finding)
{
	if (finding.state == FSCK_DAMAGED && f->last)
		finding.state = FSCK_LEFT;
	switch (finding.state) {
	case FSCK_DAMAGED:
		f->sums.damaged++;
		break;
	case FSCK_HEALED:
		f->sums.healed++;
		break;
	case FSCK_LEFT:
		f->sums.left++;
		break;
	case FSCK_NOTE:
		if (f->quick)
			return; /* said already */
		f->sums.notes++;
		break;
	}
	f->host->found(f->host->ctx, &finding);
}

void fsck_say(struct fsck *f, enum fsck_kind kind, enum fsck_state state,
	      const char *where, const char *fmt, ...)
{
	char what[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	fsck_found(f, (struct fsck_finding){.kind = kind,
					    .state = state,
					    .where = where,
					    .what = what});
}

void fsck_progress(struct fsck *f, const char *doing, uint64_t done,
		   uint64_t total)
{
	if (f->host->progress)
		f->host->progress(f->host->ctx, doing, done, total);
}

/* --- bad objects -----------------------------------------------------------
 */

struct bad *fsck_find_bad(struct fsck *f, const struct addr *a)
{
	return map_get(f->bad, a->b, ADDR_LEN);
}

int fsck_add_bad(struct fsck *f, const struct bad *b)
{
	struct bad *mine = fsck_find_bad(f, &b->addr);
	int rc;

	if (mine && !mine->healed)
		return 0;
	if (mine) { /* needed all the same */
		mine->healed = false;
		mine->missing = b->missing;
		return 0;
	}
	mine = malloc(sizeof(*mine));
	if (!mine)
		return -ENOMEM;
	*mine = *b;
	rc = map_put(f->bad, b->addr.b, ADDR_LEN, mine, NULL);
	if (rc < 0)
		free(mine);
	return rc;
}

static void tell_bad(struct fsck *f, const struct bad *b)
{
	char what[128];

	if (b->missing && *b->pack)
		snprintf(what, sizeof(what), "a %s is lost",
			 obj_kind_name(b->kind));
	else if (b->missing)
		snprintf(what, sizeof(what), "an object is missing");
	else
		snprintf(what, sizeof(what), "a %s is damaged",
			 obj_kind_name(b->kind));
	fsck_found(f, (struct fsck_finding){.kind = FSCK_OBJECT,
					    .state = FSCK_DAMAGED,
					    .where = b->pack,
					    .what = what,
					    .addr = &b->addr,
					    .offset = b->offset});
}

static int by_place(const void *a, const void *b)
{
	const struct bad *x = *(struct bad *const *)a;
	const struct bad *y = *(struct bad *const *)b;
	int c = strcmp(x->pack, y->pack);

	if (c)
		return c;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return memcmp(x->addr.b, y->addr.b, ADDR_LEN);
}

/* In the order in which they lie. */
static int tell_objects(struct fsck *f)
{
	CLEANUP_FREE struct bad **list = NULL;
	size_t it = 0, n = 0, i;
	void *v;

	if (!map_count(f->bad))
		return 0;
	list = calloc(map_count(f->bad), sizeof(*list));
	if (!list)
		return -ENOMEM;
	while (map_next(f->bad, &it, NULL, NULL, &v)) {
		list[n] = v;
		if (!list[n]->healed)
			n++;
	}
	if (n)
		qsort(list, n, sizeof(*list), by_place);
	for (i = 0; i < n; i++)
		tell_bad(f, list[i]);
	return 0;
}

/* --- opening ---------------------------------------------------------------
 */

static int open_rows(struct fsck *f, struct err *err)
{
	int rc = db_open(f->db_path, DB_READONLY, &f->db, err);

	if (rc < 0)
		return rc;
	db_lock(f->db);
	rc = ns_open(f->db, 0, 0, &f->ns, err);
	if (rc >= 0) {
		rc = results_open(f->db, f->ns, &f->results);
		if (rc < 0)
			err_set(err, rc, "%s", err_name(rc));
	}
	db_unlock(f->db);
	return rc;
}

void fsck_close_store(struct fsck *f)
{
	int rc;

	results_close(f->results);
	ns_close(f->ns);
	db_close(f->db);
	f->results = NULL;
	f->ns = NULL;
	f->db = NULL;
	rc = store_close(f->store);
	f->store = NULL;
	if (rc < 0)
		log_error("%s: %s", f->path, err_name(rc));
}

/* What a program's or the moment's fault is no damage. */
static bool is_damage(int rc)
{
	switch (rc) {
	case -EBADMSG:
	case -EUCLEAN:
	case -EIO:
	case -ENOENT:
	case -EINVAL:
		return true;
	default:
		return false;
	}
}

/* 0 also when the database is what does not open: then f->store is NULL. */
int fsck_open_store(struct fsck *f, struct err *err)
{
	struct err why = {{0}};
	int rc;

	f->rows_bad = false;
	rc = store_open(f->path, 0, &f->store, &why);
	if (rc >= 0)
		rc = open_rows(f, &why);
	if (rc >= 0)
		return 0;
	fsck_close_store(f);
	if (!is_damage(rc))
		return err_set(err, rc, "%s", why.msg);
	f->rows_bad = true;
	if (rc == -ENOENT && access(f->db_path, F_OK) < 0)
		fsck_say(f, FSCK_ROWS, FSCK_DAMAGED, "deriva.db",
			 "is missing; it can be made anew from the packs");
	else
		fsck_say(f, FSCK_ROWS, FSCK_DAMAGED, "deriva.db",
			 "cannot be opened: %s",
			 why.msg[0] ? why.msg : err_name(rc));
	return 0;
}

int fsck_heal_layout(const char *path, struct err *err)
{
	return layout_heal(path, err);
}

void fsck_tell_layout(const struct fsck_host *host, int done)
{
	static const char *const names[] = {"format", "packs", "drafts"};
	int i;

	for (i = 0; done > 0 && i < 3; i++) {
		const struct fsck_finding f = {
			.kind = FSCK_STORE,
			.state = FSCK_HEALED,
			.where = names[i],
			.what = i ? "was missing, and is there again, empty"
				  : "was damaged or missing, and was written "
				    "anew",
		};

		if (done & 1 << i)
			host->found(host->ctx, &f);
	}
}

int fsck_open(const char *path, const struct fsck_host *host, struct fsck **ret,
	      struct err *err)
{
	CLEANUP(fsck_closep) struct fsck *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	f->host = host;
	f->layout = LAYOUT_NONE;
	f->bad = map_new();
	rc = f->bad ? 0 : err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	if (!rc)
		rc = layout_open(path, false, &f->layout, err);
	if (rc < 0)
		return rc;
	f->path = strdup(f->layout.path);
	if (!f->path ||
	    asprintf(&f->db_path, "%s/deriva.db", f->layout.path) < 0) {
		f->db_path = NULL;
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	}
	*ret = steal(&f);
	return 0;
}

void fsck_close(struct fsck *f)
{
	size_t it = 0;
	void *b;

	if (!f)
		return;
	fsck_close_store(f);
	fsck_need_forget(f);
	while (f->bad && map_next(f->bad, &it, NULL, NULL, &b))
		free(b);
	map_free(f->bad);
	pack_list_done(&f->packs);
	layout_done(&f->layout);
	buf_done(&f->derived);
	buf_done(&f->hurt);
	free(f->path);
	free(f->db_path);
	free(f);
}

/* --- checking --------------------------------------------------------------
 */

/* With rows that are damaged, as far as they can be read. */
static int check_objects(struct fsck *f)
{
	int rc = fsck_check_packs(f);

	if (rc >= 0)
		rc = fsck_check_needs(f);
	else if (is_damage(rc))
		rc = fsck_verify_packs(f);
	return is_damage(rc) ? fsck_unreadable(f, rc) : rc;
}

/* Before the database is opened, which may write them. A missing file is no
 * damage: without a log it says nothing that matters. */
static int check_marks(struct fsck *f)
{
	int n = vfs_marks_damaged(f->db_path);

	f->marks_bad = n > 0 || n == -EIO;
	if (n > 0)
		fsck_say(f, FSCK_STORE, FSCK_DAMAGED,
			 "deriva.db" VFS_MARK_SUFFIX,
			 "%d of its records %s damaged: it is what tells a "
			 "database and a log that are whole from older ones",
			 n, n == 1 ? "is" : "are");
	else if (n == -EIO)
		fsck_say(f, FSCK_STORE, FSCK_DAMAGED,
			 "deriva.db" VFS_MARK_SUFFIX, "cannot be read");
	return n < 0 && n != -ENOENT && n != -EIO ? n : 0;
}

int fsck_check(struct fsck *f)
{
	struct err err = {{0}};
	int rc = check_marks(f);

	if (rc >= 0)
		rc = fsck_open_store(f, &err);
	if (rc < 0) {
		fsck_say(f, FSCK_STORE, FSCK_DAMAGED, "", "%s", err.msg);
		return 0;
	}
	if (f->store)
		rc = fsck_check_rows(f);
	if (rc >= 0 && f->store)
		rc = check_objects(f);
	else if (rc >= 0)
		rc = fsck_verify_packs(f);
	return rc < 0 ? rc : tell_objects(f);
}

/* --- after a repair --------------------------------------------------------
 */

const struct buf *fsck_derived(const struct fsck *f)
{
	return &f->derived;
}

static int probe_again(struct fsck *f)
{
	size_t it = 0;
	struct bad *b, now;
	void *v;
	int rc;

	while (map_next(f->bad, &it, NULL, NULL, &v)) {
		b = v;
		rc = fsck_probe(f, &b->addr, &now);
		if (rc < 0 && rc != -EBADMSG && rc != -ENOENT)
			return rc;
		/* its row went: then it is a loss, but where somebody is
		 * still found to need it that is told anyway */
		now.excused = b->excused || b->kind == OBJ_JOURNAL;
		now.healed =
			!rc || (now.missing && (now.excused || b->missing));
		if (now.missing) {
			now.kind = b->kind;
			now.offset = b->offset;
			memcpy(now.pack, b->pack, sizeof(now.pack));
		}
		*b = now;
	}
	return 0;
}

static void count_objects(struct fsck *f)
{
	struct object_totals t;

	db_lock(store_db(f->store));
	if (objects_totals(store_objects(f->store), &t) >= 0)
		f->sums.objects = t.objects;
	db_unlock(store_db(f->store));
}

int fsck_left(struct fsck *f)
{
	struct err err = {{0}};
	int rc;

	f->quick = f->last = true;
	rc = check_marks(f);
	if (rc >= 0)
		rc = fsck_open_store(f, &err);
	if (rc < 0 || !f->store)
		return rc;
	count_objects(f);
	rc = fsck_check_rows(f);
	if (rc >= 0)
		rc = probe_again(f);
	if (rc >= 0)
		rc = fsck_check_needs(f);
	return rc < 0 ? rc : tell_objects(f);
}

void fsck_sums(const struct fsck *f, struct fsck_sums *ret)
{
	*ret = f->sums;
}
