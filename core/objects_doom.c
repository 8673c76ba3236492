#include "core/objects_doom.h"

#include <errno.h>

#include "core/objects_internal.h"

enum { SET, REMOVE_DOOMED, MOVE, PACK_REMOVE, STATE, WRITES };

/* clang-format off */
static const char *const write_sql[WRITES] = {
	[SET] = "UPDATE object SET doomed = ?2 WHERE addr = ?1"
		" AND doomed <> ?2",
	[REMOVE_DOOMED] = "DELETE FROM object WHERE addr = ?1 AND doomed <> 0"
		   " RETURNING raw, stored",
	[MOVE] = "UPDATE object SET pack = ?4, offset = ?5 WHERE addr = ?1"
		 " AND pack = ?2 AND offset = ?3",
	[PACK_REMOVE] = "DELETE FROM pack WHERE id = ?1",
	[STATE] = "UPDATE collection SET state = ?1,"
		  " ended = CASE ?1 WHEN 0 THEN ?2 ELSE ended END"
		  " WHERE id = 1",
};

#define COLUMNS "kind, codec, pack, offset, stored, raw, doomed, addr"

enum { PAGE, DOOMED, PACKS, READS };

static const char *const page_sql[READS] = {
	[PAGE] = "SELECT " COLUMNS " FROM object WHERE addr > ?1"
		 " ORDER BY addr LIMIT ?2",
	[DOOMED] = "SELECT " COLUMNS " FROM object INDEXED BY object_doomed"
		   " WHERE addr > ?1 AND doomed <> 0 ORDER BY addr LIMIT ?2",
	[PACKS] = "SELECT id, name FROM pack WHERE id > ?1 ORDER BY id"
		  " LIMIT ?2",
};
/* clang-format on */

struct dooms {
	struct objects *o;
	struct db *reader;
	struct stmts writes, reads;
};

int dooms_open(struct objects *o, const char *path, struct dooms **ret,
	       struct err *err)
{
	CLEANUP(dooms_closep) struct dooms *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	d->o = o;
	rc = db_open(path, DB_READONLY, &d->reader, err);
	if (rc < 0)
		return rc;
	rc = stmts_init(&d->writes, o->db, write_sql, WRITES);
	if (rc >= 0)
		rc = stmts_init(&d->reads, d->reader, page_sql, READS);
	if (rc < 0)
		return err_set(err, rc, "%s", err_name(rc));
	*ret = steal(&d);
	return 0;
}

void dooms_close(struct dooms *d)
{
	if (!d)
		return;
	if (d->writes.made) {
		db_lock(d->o->db);
		stmts_done(&d->writes);
		db_unlock(d->o->db);
	}
	if (d->reads.made)
		stmts_done(&d->reads);
	db_close(d->reader);
	free(d);
}

struct db *dooms_reader(struct dooms *d)
{
	return d->reader;
}

static int column_row(struct stmt *s, struct object_row *ret)
{
	int rc = stmt_col_addr(s, 7, &ret->addr);

	return rc < 0 ? rc : object_loc_of(s, &ret->loc);
}

static int page(struct dooms *d, const struct addr *after, bool doomed,
		struct object_row *ret, size_t max)
{
	struct stmt *s;
	size_t n = 0;
	int rc;

	s = stmts_get(&d->reads, doomed ? DOOMED : PAGE, &rc);
	if (!s)
		return rc;
	stmt_blob(s, 1, after ? after->b : NULL, after ? ADDR_LEN : 0);
	stmt_int(s, 2, (int64_t)max);
	while ((rc = stmt_step(s)) > 0) {
		rc = column_row(s, &ret[n]);
		if (rc < 0) {
			stmt_reset(s);
			return rc;
		}
		n++;
	}
	return rc < 0 ? rc : (int)n;
}

int dooms_page(struct dooms *d, const struct addr *after, bool doomed,
	       struct object_row *ret, size_t max)
{
	int rc;

	db_lock(d->reader);
	rc = page(d, after, doomed, ret, max);
	db_unlock(d->reader);
	return rc;
}

static int packs_page(struct dooms *d, uint32_t after, struct pack_row *ret,
		      size_t max)
{
	const void *id;
	struct stmt *s;
	size_t n = 0, len;
	int rc;

	s = stmts_get(&d->reads, PACKS, &rc);
	if (!s)
		return rc;
	stmt_int(s, 1, after);
	stmt_int(s, 2, (int64_t)max);
	while ((rc = stmt_step(s)) > 0) {
		ret[n].number = (uint32_t)stmt_col_int(s, 0);
		id = stmt_col_blob(s, 1, &len);
		if (len != PACK_ID_LEN) {
			stmt_reset(s);
			return -EUCLEAN;
		}
		memcpy(ret[n++].id, id, PACK_ID_LEN);
	}
	return rc < 0 ? rc : (int)n;
}

int dooms_packs(struct dooms *d, uint32_t after, struct pack_row *ret,
		size_t max)
{
	int rc;

	db_lock(d->reader);
	rc = packs_page(d, after, ret, max);
	db_unlock(d->reader);
	return rc;
}

/* --- writing ------------------------------------------------------------- */

static struct stmt *begin(struct dooms *d, unsigned id, int *ret_rc)
{
	*ret_rc = db_begin(d->o->db);
	return *ret_rc < 0 ? NULL : stmts_get(&d->writes, id, ret_rc);
}

int dooms_set(struct dooms *d, const struct addr *a, bool doomed)
{
	int rc;
	struct stmt *s = begin(d, SET, &rc);

	if (!s)
		return rc;
	stmt_blob(s, 1, a->b, ADDR_LEN);
	stmt_int(s, 2, doomed);
	return stmt_run(s);
}

int dooms_remove(struct dooms *d, const struct addr *a)
{
	int rc;
	struct stmt *s = begin(d, REMOVE_DOOMED, &rc);

	if (!s)
		return rc;
	stmt_blob(s, 1, a->b, ADDR_LEN);
	return objects_remove_by(d->o, s);
}

int dooms_move(struct dooms *d, const struct addr *a,
	       const struct object_loc *from, const struct object_loc *to)
{
	int rc;
	struct stmt *s = begin(d, MOVE, &rc);

	if (!s)
		return rc;
	stmt_blob(s, 1, a->b, ADDR_LEN);
	stmt_int(s, 2, from->pack);
	stmt_int(s, 3, (int64_t)from->offset);
	stmt_int(s, 4, to->pack);
	stmt_int(s, 5, (int64_t)to->offset);
	rc = stmt_run(s);
	return rc < 0 ? rc : db_changes(d->o->db) > 0;
}

int dooms_remove_pack(struct dooms *d, uint32_t number)
{
	int rc;
	struct stmt *s = begin(d, PACK_REMOVE, &rc);

	if (!s)
		return rc;
	stmt_int(s, 1, number);
	return stmt_run(s);
}

int dooms_set_state(struct dooms *d, enum collection state, int64_t now_ns)
{
	int rc;
	struct stmt *s = begin(d, STATE, &rc);

	if (!s)
		return rc;
	stmt_int(s, 1, state);
	stmt_int(s, 2, now_ns);
	return stmt_run(s);
}

/* --- for everybody ------------------------------------------------------- */

static int64_t column_of_state(struct objects *o, int which, int *ret_rc)
{
	int64_t v = 0;
	int rc;

	db_lock(o->reader);
	rc = stmts_int(o->reads[which], &v);
	db_unlock(o->reader);
	*ret_rc = rc > 0 ? 0 : rc < 0 ? rc : -EUCLEAN;
	return v;
}

int objects_collection(struct objects *o, enum collection *ret)
{
	int rc;
	int64_t v = column_of_state(o, COLLECTION, &rc);

	if (rc < 0)
		return rc;
	if (v < COLLECTION_NONE || v > COLLECTION_FINAL)
		return -EUCLEAN;
	*ret = (enum collection)v;
	return 0;
}

int objects_collected(struct objects *o, int64_t *ret_ns)
{
	int rc;
	int64_t v = column_of_state(o, COLLECTED, &rc);

	if (rc >= 0)
		*ret_ns = v;
	return rc;
}
