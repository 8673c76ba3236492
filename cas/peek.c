#include "cas/peek.h"

#include "core/branch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cas/codec.h"
#include "cas/pack_read.h"
#include "core/forgotten.h"

struct peek {
	char *db_path;
	struct stat is; /* the database that was opened */
	struct db *db;
	struct ns *ns;
	struct ns *other; /* of another branch, asked for last */
	struct results *results;
	struct objects *objects;
	struct tips *tips;
	int packs_fd;
	struct pack_cache *files; /* NULL while it rests */
	struct codec_pool *codecs;
};

static int open_packs(struct peek *p, const char *path)
{
	CLEANUP_FREE char *packs = NULL;

	if (asprintf(&packs, "%s/packs", path) < 0) {
		packs = NULL;
		return -ENOMEM;
	}
	p->packs_fd = open(packs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->packs_fd < 0)
		return -errno;
	p->codecs = codec_pool_new();
	return p->codecs ? 0 : -ENOMEM;
}

static int open_rows(struct peek *p, struct err *err)
{
	int rc = db_open(p->db_path, DB_READONLY, &p->db, err);

	if (rc < 0)
		return rc;
	db_lock(p->db);
	rc = ns_open(p->db, 0, 0, &p->ns, err);
	if (rc >= 0)
		rc = results_open(p->db, p->ns, &p->results);
	if (rc >= 0)
		rc = tips_open(p->db, &p->tips);
	db_unlock(p->db);
	if (rc >= 0)
		rc = objects_open(p->db, p->db_path, &p->objects, err);
	return rc;
}

int peek_open(const char *path, struct peek **ret, struct err *err)
{
	CLEANUP(peek_closep) struct peek *p = calloc(1, sizeof(*p));
	struct err why = {{0}};
	int rc = 0;

	if (!p)
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	p->packs_fd = -1;
	if (asprintf(&p->db_path, "%s/deriva.db", path) < 0) {
		p->db_path = NULL;
		rc = -ENOMEM;
	}
	if (rc >= 0 && stat(p->db_path, &p->is) < 0)
		rc = -errno;
	if (rc >= 0)
		rc = open_packs(p, path);
	if (rc >= 0)
		rc = open_rows(p, &why);
	if (rc < 0)
		return err_set(err, rc, "%s: %s", path,
			       why.msg[0] ? why.msg : err_name(rc));
	*ret = steal(&p);
	return 0;
}

void peek_close(struct peek *p)
{
	if (!p)
		return;
	pack_cache_free(p->files);
	codec_pool_free(p->codecs);
	objects_close(p->objects);
	if (p->db)
		db_lock(p->db);
	tips_close(p->tips);
	results_close(p->results);
	ns_close(p->other);
	ns_close(p->ns);
	if (p->db)
		db_unlock(p->db);
	db_close(p->db);
	close_fdp(&p->packs_fd);
	free(p->db_path);
	free(p);
}

struct db *peek_db(struct peek *p)
{
	return p->db;
}

int peek_set_branch(struct peek *p, const char *name, struct err *err)
{
	struct results *results = NULL;
	struct ns *ns = NULL;
	struct branch b;
	int rc;

	db_lock(p->db);
	rc = branch_find(p->db, name, &b);
	if (rc >= 0)
		rc = ns_open_view(p->db, b.id, &ns);
	if (rc >= 0)
		rc = results_open(p->db, ns, &results);
	if (rc >= 0) {
		results_close(p->results);
		ns_close(p->ns);
		p->results = results;
		p->ns = ns;
	} else {
		ns_close(ns);
	}
	db_unlock(p->db);
	if (rc == -ENOENT)
		return err_set(err, rc, "there is no branch %s", name);
	return rc < 0 ? err_set(err, rc, "branch %s: %s", name, err_name(rc))
		      : 0;
}

struct ns *peek_branch(struct peek *p, uint64_t id)
{
	if (id == ns_branch(p->ns))
		return p->ns;
	if (p->other && ns_branch(p->other) == id)
		return p->other;
	ns_close(p->other);
	p->other = NULL;
	if (ns_open_view(p->db, id, &p->other) < 0)
		p->other = NULL;
	return p->other;
}

struct ns *peek_ns(struct peek *p)
{
	return p->ns;
}

struct results *peek_results(struct peek *p)
{
	return p->results;
}

struct tips *peek_tips(struct peek *p)
{
	return p->tips;
}

static int pack_id(void *ctx, uint32_t pack, uint8_t ret[PACK_ID_LEN])
{
	struct peek *p = ctx;

	return packs_id(p->objects, pack, ret);
}

/* Between a look at the row and one at the pack the object may move: as long as
 * its row says another place, that is tried. */
int peek_get(struct peek *p, const struct addr *a, enum obj_kind *ret_kind,
	     struct buf *ret)
{
	struct object_loc loc, before = {.offset = UINT64_MAX};
	int rc;

	if (!p->files)
		p->files = pack_cache_new(p->packs_fd, pack_id, p);
	if (!p->files)
		return -ENOMEM;
	for (;; before = loc) {
		rc = objects_find(p->objects, a, &loc);
		if (rc < 0)
			return rc;
		rc = pack_read(p->files, p->codecs, a, &loc, ret);
		if (rc >= 0)
			break;
		if (loc.pack == before.pack && loc.offset == before.offset)
			return rc;
		pack_cache_trim(p->files);
	}
	if (ret_kind)
		*ret_kind = loc.kind;
	return 0;
}

void peek_rest(struct peek *p)
{
	pack_cache_free(p->files);
	p->files = NULL;
}

bool peek_replaced(const struct peek *p)
{
	struct stat st;

	if (stat(p->db_path, &st) < 0)
		return errno == ENOENT;
	return st.st_dev != p->is.st_dev || st.st_ino != p->is.st_ino;
}

int peek_clear(struct peek *p, const struct addr *clear, struct buf *ret)
{
	enum obj_kind kind;
	struct addr now;
	int rc;

	db_lock(peek_db(p));
	rc = forgotten_now(peek_db(p), clear, &now);
	db_unlock(peek_db(p));
	return rc < 0 ? rc : peek_get(p, &now, &kind, ret);
}
