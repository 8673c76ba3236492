/* Healing. What can be had again is taken from where it is: another copy in the
 * packs, the journals, the rows. An object that is nowhere loses its row, so
 * that whatever stores or computes the same content again stores it anew.
 */
#include "cas/fsck_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cas/attach.h"
#include "cas/blob.h"
#include "core/check.h"
#include "core/journal.h"
#include "core/rebuild.h"
#include "core/vfs.h"

/* --- other copies ----------------------------------------------------------
 */

struct copies {
	struct fsck *f;
	pthread_mutex_t lock;
	struct map *found; /* address to struct copy */
};

struct copy {
	uint8_t pack[PACK_ID_LEN];
	struct object_loc loc;
};

struct searching {
	struct copies *c;
	const uint8_t *id;
};

/* The bad ones are only read meanwhile. */
static int take_copy(void *ctx, const struct pack_object *o)
{
	struct searching *s = ctx;
	struct copy *copy;
	int rc;

	if (!o->good || !fsck_find_bad(s->c->f, &o->r.addr))
		return 0;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	memcpy(copy->pack, s->id, PACK_ID_LEN);
	copy->loc = (struct object_loc){.kind = o->r.kind,
					.codec = o->r.codec,
					.offset = o->offset,
					.stored = o->r.stored,
					.raw = o->r.raw};
	pthread_mutex_lock(&s->c->lock);
	rc = map_get(s->c->found, o->r.addr.b, ADDR_LEN)
		     ? -EEXIST
		     : map_put(s->c->found, o->r.addr.b, ADDR_LEN, copy, NULL);
	pthread_mutex_unlock(&s->c->lock);
	if (rc < 0)
		free(copy);
	return rc == -EEXIST ? 0 : rc;
}

static int search_pack(void *ctx, size_t i, struct pack_verifier *v)
{
	struct copies *c = ctx;
	struct searching s = {c, c->f->packs.items[i].id};
	struct pack_damage d;
	CLEANUP_CLOSE int fd = -1;
	int rc = pack_open(c->f->layout.packs_fd, s.id, &fd);

	if (!rc)
		rc = pack_verify(v, fd, s.id, take_copy, &s,
				 &c->f->gone_through, &d);
	return rc == -ENOMEM ? rc : 0;
}

static void poll_search(void *ctx)
{
	struct copies *c = ctx;

	fsck_progress(c->f, "looking for other copies",
		      __atomic_load_n(&c->f->gone_through, __ATOMIC_RELAXED),
		      c->f->packs.size);
}

struct number_of {
	const uint8_t *id;
	uint32_t number;
};

static int is_pack(void *ctx, uint32_t pack, const uint8_t id[PACK_ID_LEN],
		   uint64_t objects)
{
	struct number_of *n = ctx;

	if (!memcmp(n->id, id, PACK_ID_LEN))
		n->number = pack;
	return 0;
}

static int pack_number(struct objects *o, const uint8_t *id, uint32_t *ret)
{
	struct number_of n = {.id = id};
	int rc = packs_iterate(o, is_pack, &n);

	if (rc < 0)
		return rc;
	if (!n.number)
		return packs_add(o, id, ret);
	*ret = n.number;
	return 0;
}

static void tell_healed(struct fsck *f, const struct bad *b, const char *how)
{
	fsck_found(f, (struct fsck_finding){.kind = FSCK_OBJECT,
					    .state = FSCK_HEALED,
					    .where = b->pack,
					    .what = how,
					    .addr = &b->addr,
					    .offset = b->offset});
}

static int heal_one(struct fsck *f, struct copies *c, struct bad *b)
{
	struct objects *o = store_objects(f->store);
	struct copy *copy = map_get(c->found, b->addr.b, ADDR_LEN);
	struct bad now;
	int rc = fsck_probe(f, &b->addr, &now);

	if (!rc || (rc != -EBADMSG && rc != -ENOENT))
		return rc;
	if (!copy)
		return rc == -ENOENT ? 0 : objects_remove(o, &b->addr);
	rc = pack_number(o, copy->pack, &copy->loc.pack);
	if (rc >= 0)
		rc = objects_replace(o, &b->addr, &copy->loc);
	if (rc >= 0)
		tell_healed(f, b, "another copy was found in the packs");
	return rc;
}

static int heal_all(struct fsck *f, struct copies *c)
{
	struct db *db = store_db(f->store);
	size_t it = 0;
	void *b;
	int rc = 0;

	db_lock(db);
	while (!rc && map_next(f->bad, &it, NULL, NULL, &b))
		rc = heal_one(f, c, b);
	if (!rc)
		rc = db_commit(db);
	else
		db_rollback(db);
	db_unlock(db);
	return rc < 0 ? rc : store_sync(f->store);
}

int fsck_repair_objects(struct fsck *f)
{
	struct copies c = {.f = f, .lock = PTHREAD_MUTEX_INITIALIZER};
	size_t it = 0;
	void *copy;
	int rc;

	if (!map_count(f->bad))
		return 0;
	c.found = map_new();
	if (!c.found)
		return -ENOMEM;
	f->gone_through = 0;
	rc = packs_each(f->packs.count, search_pack, poll_search, &c);
	if (!rc)
		rc = heal_all(f, &c);
	while (map_next(c.found, &it, NULL, NULL, &copy))
		free(copy);
	map_free(c.found);
	return rc;
}

/* --- results ----------------------------------------------------------------
 */

/* A result that has lost bytes is as if it were dropped: whoever asks for it
 * has it computed. */
static int drop_hurt(struct fsck *f, struct results *r)
{
	struct addr recipe;
	struct result res;
	size_t i;
	int rc = 0;

	for (i = 0; rc >= 0 && i < f->hurt.len; i += ADDR_LEN) {
		memcpy(recipe.b, f->hurt.data + i, ADDR_LEN);
		rc = results_get(r, &recipe, &res);
		if (!rc && !res.error && !blob_complete(f->store, &res.addr))
			rc = results_drop(r, &recipe);
		if (rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

static int drop_results(struct fsck *f)
{
	CLEANUP(results_closep) struct results *r = NULL;
	struct db *db = store_db(f->store);
	int rc = f->hurt.len ? results_open(db, NULL, &r) : 0;

	if (rc < 0 || !r)
		return rc;
	db_lock(db);
	rc = drop_hurt(f, r);
	if (rc >= 0)
		rc = db_commit(db);
	else
		db_rollback(db);
	db_unlock(db);
	return rc;
}

struct missing {
	struct fsck *f;
	struct buf recipes;
};

static int note_missing(void *ctx, const struct result *res)
{
	struct missing *m = ctx;
	int rc = 0;

	if (!res->error && !res->dropped && !addr_is_zero(&res->addr))
		rc = fsck_need(m->f, &res->addr, false);
	if (rc > 0 && (rc & NEED_MISSING))
		buf_add(&m->recipes, res->recipe.b, ADDR_LEN);
	return rc < 0 ? rc : buf_err(&m->recipes);
}

/* No journal says whose bytes were dropped: those that are not there. */
static int let_go_missing(struct fsck *f, struct results *r)
{
	struct missing m = {.f = f};
	struct addr recipe;
	size_t i;
	int rc = results_each(r, note_missing, &m);

	for (i = 0; rc >= 0 && i < m.recipes.len; i += ADDR_LEN) {
		memcpy(recipe.b, m.recipes.data + i, ADDR_LEN);
		rc = results_let_go(r, &recipe);
	}
	buf_done(&m.recipes);
	return rc;
}

static int mark_dropped(struct fsck *f)
{
	CLEANUP(results_closep) struct results *r = NULL;
	struct db *db = store_db(f->store);
	int rc = results_open(db, NULL, &r);

	if (rc < 0)
		return rc;
	fsck_need_forget(f);
	f->nodes = map_new();
	if (!f->nodes)
		return -ENOMEM;
	db_lock(db);
	rc = let_go_missing(f, r);
	if (rc >= 0)
		rc = db_commit(db);
	else
		db_rollback(db);
	db_unlock(db);
	fsck_need_forget(f);
	return rc;
}

/* --- headers and names of packs ---------------------------------------------
 */

static int ignore(void *ctx, const struct pack_object *o)
{
	*(uint64_t *)ctx += o->good;
	return 0;
}

/* How many good records a file has as a pack of that id. */
static uint64_t records_as(struct fsck *f, int fd, const uint8_t *id)
{
	CLEANUP(pack_verifier_freep)
	struct pack_verifier *v = pack_verifier_new();
	struct pack_damage d;
	uint64_t n = 0;

	if (!v || pack_verify(v, fd, id, ignore, &n, NULL, &d) < 0)
		return 0;
	return n;
}

static int write_header(struct fsck *f, const char *name, const uint8_t *id)
{
	uint8_t header[PACK_HEADER_LEN];
	CLEANUP_CLOSE int fd = -1;
	struct stat st;
	int rc = 0;

	if (fstatat(f->layout.packs_fd, name, &st, 0) < 0)
		return -errno;
	if (fchmodat(f->layout.packs_fd, name, 0600, 0) < 0)
		return -errno;
	fd = openat(f->layout.packs_fd, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		rc = -errno;
	pack_header(id, header);
	if (!rc && pwrite(fd, header, sizeof(header), 0) != sizeof(header))
		rc = errno ? -errno : -EIO;
	if (!rc && fdatasync(fd) < 0)
		rc = -errno;
	if (fchmodat(f->layout.packs_fd, name, st.st_mode & 07777, 0) < 0)
		return -errno;
	return rc;
}

/* A header that is not the pack's: the file was renamed, or its start is
 * damaged. Which, its records say: their checks have the id in them. */
static int heal_header(struct fsck *f, const struct pack_item *p)
{
	char name[PACK_NAME_LEN], right[PACK_NAME_LEN];
	uint8_t header[PACK_HEADER_LEN] = {0};
	CLEANUP_CLOSE int fd = -1;
	int rc;

	pack_name(p->id, name);
	rc = pack_open(f->layout.packs_fd, p->id, &fd);
	if (rc < 0 || pread(fd, header, sizeof(header), 0) < 0 ||
	    pack_header_look(p->id, fd) != -EBADMSG)
		return 0;
	if (records_as(f, fd, p->id) || p->size <= PACK_HEADER_LEN) {
		rc = write_header(f, name, p->id);
		if (!rc)
			fsck_say(f, FSCK_PACK, FSCK_HEALED, name,
				 "its header was written anew");
		return rc;
	}
	if (pack_header_check(header + 16, header) ||
	    !records_as(f, fd, header + 16))
		return 0;
	pack_name(header + 16, right);
	if (renameat2(f->layout.packs_fd, name, f->layout.packs_fd, right,
		      RENAME_NOREPLACE) < 0) {
		fsck_say(f, FSCK_PACK, FSCK_NOTE, name,
			 "is a second %s, and left alone", right);
		return 0;
	}
	fsck_say(f, FSCK_PACK, FSCK_HEALED, name,
		 "has got its right name again: %s", right);
	return 1;
}

/* 1 when a pack got its name back: what was missing is there again. */
static int heal_headers(struct fsck *f)
{
	size_t i;
	int rc, renamed = 0;

	for (i = 0; i < f->packs.count; i++) {
		rc = heal_header(f, &f->packs.items[i]);
		if (rc < 0)
			return rc;
		renamed |= rc;
	}
	return renamed;
}

/* --- journals ---------------------------------------------------------------
 */

static int put_journal(void *ctx, enum obj_kind kind, const void *p, size_t n,
		       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

static void on_change(void *ctx, uint64_t seq)
{
	struct fsck *f = ctx;

	fsck_progress(f, "writing journals", seq, f->sums.changes);
}

static int heal_journals(struct fsck *f)
{
	struct db *db = store_db(f->store);
	struct journal *j;
	int rc = journal_open(db, &j);

	if (rc < 0)
		return rc;
	journal_set_put(j, put_journal, f->store);
	db_lock(db);
	rc = rebuild_journals(db, j, on_change, f);
	if (rc < 0)
		db_rollback(db);
	db_unlock(db);
	journal_close(j);
	if (!rc)
		rc = store_sync(f->store);
	if (!rc)
		fsck_say(f, FSCK_JOURNAL, FSCK_HEALED, "",
			 "the chain of journals was written anew from the "
			 "rows");
	return rc;
}

static int heal_totals(struct fsck *f)
{
	struct db *db = store_db(f->store);
	int rc;

	db_lock(db);
	rc = check_recount(db);
	db_unlock(db);
	if (rc >= 0)
		fsck_say(f, FSCK_ROWS, FSCK_HEALED, "deriva.db",
			 "was counted anew");
	return rc;
}

/* --- all --------------------------------------------------------------------
 */

static int busy(struct fsck *f, const struct attach *a, struct err *err)
{
	CLEANUP_BUF struct buf who = BUF_INIT;

	if (attach_others(a, &who) < 0)
		buf_reset(&who);
	return err_set(err, -EBUSY,
		       "%s: is in use%s%s%s: repair it when nobody uses it",
		       f->path, who.len ? " (" : "", buf_cstr(&who),
		       who.len ? ")" : "");
}

/* Makes the new database while nobody can open the store. */
static int rebuild_alone(struct fsck *f, struct err *err)
{
	CLEANUP(attach_closep) struct attach *a = NULL;
	int rc = attach_open(f->layout.dir_fd, f->path, &a, err);

	if (rc < 0)
		return rc;
	if (attach_alone(a))
		return fsck_rebuild_rows(f, err);
	return busy(f, a, err);
}

/* Before anything is touched. */
static int check_unused(struct fsck *f, struct err *err)
{
	CLEANUP(attach_closep) struct attach *a = NULL;
	int rc = attach_open(f->layout.dir_fd, f->path, &a, err);

	if (rc < 0 || attach_alone(a))
		return rc;
	return busy(f, a, err);
}

static int repair(struct fsck *f, struct err *err)
{
	int rc = heal_headers(f);

	if (rc > 0) {
		struct pack_list l;

		rc = pack_list_read(f->layout.packs_fd, &l);
		if (rc >= 0) {
			pack_list_done(&f->packs);
			f->packs = l;
		}
	}
	if (rc >= 0 && f->rows_bad)
		rc = rebuild_alone(f, err);
	if (rc >= 0)
		rc = store_open(f->path, 0, &f->store, err);
	if (rc >= 0 && !attach_try_alone(store_attach(f->store)))
		rc = busy(f, store_attach(f->store), err);
	if (rc >= 0)
		rc = fsck_repair_objects(f);
	if (rc >= 0 && f->rebuilt)
		rc = mark_dropped(f);
	if (rc >= 0)
		rc = drop_results(f);
	if (rc >= 0 && f->journal_bad)
		rc = heal_journals(f);
	if (rc >= 0 && f->totals_bad && !f->rows_bad)
		rc = heal_totals(f);
	return rc;
}

/* The database was closed by its last user, and so has no log. */
static int heal_marks(struct fsck *f)
{
	int rc;

	fsck_close_store(f);
	rc = vfs_marks_reset(f->db_path);
	if (!rc)
		fsck_say(f, FSCK_STORE, FSCK_HEALED,
			 "deriva.db" VFS_MARK_SUFFIX, "was begun anew");
	return rc == -ENOENT ? 0 : rc;
}

int fsck_repair(struct fsck *f, struct err *err)
{
	int rc;

	fsck_close_store(f);
	rc = check_unused(f, err);
	if (rc >= 0) {
		rc = repair(f, err);
		if (rc >= 0 && f->marks_bad)
			rc = heal_marks(f);
		if (rc < 0 && !err->msg[0])
			err_set(err, rc, "%s: %s", f->path, err_name(rc));
	}
	fsck_close_store(f);
	return rc;
}
