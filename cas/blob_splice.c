/* Which entries of a blob may be taken as they are, when a stretch of it goes
 * into another content? A chunk ends where its own bytes say so, or where its
 * segment ends, and that depends on whole runs of zeros. So an entry stays one
 * if it lies in the stretch, and if
 *
 *  - the new content, too, has a boundary where it starts. (A run of zeros at
 *    the stretch's start may be longer or shorter than it was: but there is no
 *    boundary within what is a hole now, and none was within what was one.)
 *  - a byte that is not zero follows it in the stretch, before the run of
 *    zeros at the stretch's end. (That byte also shows that neither the entry
 *    nor any node that ends with it is the last of the old content, which need
 *    not end with a cut.)
 *
 * From the first on of which both hold, all entries up to the last for which
 * the second holds follow. So bytes are fed to the writer until it comes to
 * such a boundary; then entries and nodes are added to its tree directly, and
 * what is behind the last of them is bytes again.
 *
 * Nodes are taken whole where the writer has no unfinished node below their
 * height: they end where their children say so, hence meet again after a few,
 * as the cuts of chunks do.
 */
#include "cas/blob_splice.h"

#include <errno.h>

#include "cas/blob_reader.h"
#include "cas/blob_writer.h"

#define LOOK KIB(4) /* at a time, for the end of a run of zeros */

/* A stretch of a blob on its way into a writer. Offsets are the blob's. */
struct stretch {
	struct blob *from;
	uint64_t start, end;
	uint64_t here;	/* of its start in what is written */
	uint64_t limit; /* entries that end here or before may be taken */
	uint64_t at;	/* so far */
	bool over;	/* nothing is left to be taken */
	uint8_t *piece; /* CHUNK_MAX bytes */
};

/* --- runs of zeros -------------------------------------------------------- */

static int pread_all(struct blob *b, void *p, size_t n, uint64_t off)
{
	ssize_t got = blob_pread(b, p, n, off);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EBADMSG;
}

/* Where the zeros that end at end begin, at least at start. */
static int zeros_start(struct blob *b, uint64_t start, uint64_t end,
		       uint64_t *ret)
{
	uint8_t look[LOOK];
	struct blob_entry e;
	size_t n, zeros;
	int rc;

	while (end > start) {
		rc = blob_entry(b, end - 1, &e);
		if (rc)
			return rc;
		e.start = MAX(e.start, start);
		if (addr_is_zero(&e.addr)) {
			end = e.start;
			continue;
		}
		n = (size_t)MIN(end - e.start, LOOK);
		rc = pread_all(b, look, n, end - n);
		if (rc)
			return rc;
		zeros = zeros_before(look, n);
		end -= zeros;
		if (zeros < n)
			break;
	}
	*ret = end;
	return 0;
}

/* The start of the entry that holds the last byte that is no zero, or the
 * stretch's own. */
static int find_limit(struct stretch *s)
{
	struct blob_entry e;
	uint64_t last;
	int rc;

	s->limit = s->start;
	rc = zeros_start(s->from, s->start, s->end, &last);
	if (rc || last == s->start)
		return rc;
	rc = blob_entry(s->from, last - 1, &e);
	if (!rc)
		s->limit = MAX(e.start, s->start);
	return rc;
}

/* --- taking over ---------------------------------------------------------- */

/* The part from..to of a node's content (offsets count from its start), which
 * are ends of entries. */
static int take_nodes(struct store *s, struct blob_tree *t,
		      const struct node *n, uint64_t from, uint64_t to)
{
	const struct cached *c;
	uint64_t start;
	uint32_t i;
	int rc = 0;

	for (i = node_find(n, from); !rc && i < n->count; i++) {
		start = node_start(n, i);
		if (start >= to)
			break;
		if (n->height == 1) {
			rc = blob_tree_add(t, &n->e[i].addr, n->e[i].size);
			continue;
		}
		if (start >= from && n->e[i].end <= to &&
		    blob_tree_even(t) >= n->height - 1) {
			rc = blob_tree_add_node(t, n->height - 1, &n->e[i].addr,
						n->e[i].size);
			continue;
		}
		rc = blob_child(s, n, i, &c);
		if (rc)
			break;
		rc = take_nodes(s, t, c->data, from > start ? from - start : 0,
				MIN(to, n->e[i].end) - start);
		blob_put_node(s, c);
	}
	return rc;
}

static int add_part(struct blob_tree *t, const struct blob_part *p)
{
	return take_nodes(p->from->s, t, p->from->node->data, p->start, p->end);
}

/* Whether old and new cuts meet at the writer's boundary; then all that may be
 * taken is. */
static int try_to_meet(struct blob_writer *w, struct stretch *s)
{
	struct blob_part part;
	struct blob_entry e;
	uint64_t off;
	int rc;

	if (!blob_writer_boundary(w, &off) || off < s->here)
		return 0;
	off -= s->here - s->start;
	if (off >= s->limit) {
		s->over = true; /* they did not meet */
		return 0;
	}
	rc = blob_entry(s->from, off, &e);
	if (rc || e.start != off)
		return rc;
	part = (struct blob_part){s->from, off, s->limit, add_part};
	rc = blob_writer_skip(w, &part);
	s->at = s->limit;
	s->over = true;
	return rc;
}

/* What is left of the entry at s->at goes in as bytes. */
static int feed(struct blob_writer *w, struct stretch *s)
{
	struct blob_entry e;
	size_t n;
	int rc = blob_entry(s->from, s->at, &e);

	if (rc)
		return rc;
	e.end = MIN(e.end, s->end);
	if (addr_is_zero(&e.addr)) {
		rc = blob_write_zeros(w, e.end - s->at);
	} else {
		n = (size_t)(e.end - s->at);
		rc = pread_all(s->from, s->piece, n, s->at);
		if (!rc)
			rc = blob_write(w, s->piece, n);
	}
	s->at = e.end;
	return rc;
}

static int write_stretch(struct blob_writer *w, struct stretch *s)
{
	int rc;

	do {
		do {
			rc = try_to_meet(w, s);
			if (!rc && !s->over)
				rc = blob_writer_step(w);
		} while (rc > 0);
		if (!rc && s->at < s->end)
			rc = feed(w, s);
	} while (!rc && s->at < s->end);
	return rc;
}

int blob_write_blob(struct blob_writer *w, struct blob *from, uint64_t off,
		    uint64_t n)
{
	CLEANUP_FREE uint8_t *piece = NULL;
	struct stretch s = {.from = from, .start = off, .at = off};
	int rc;

	if (off > from->size || n > from->size - off)
		return blob_writer_fail(w, -ERANGE);
	if (!n)
		return 0;
	piece = s.piece = malloc(CHUNK_MAX);
	if (!piece)
		return blob_writer_fail(w, -ENOMEM);
	s.end = off + n;
	s.here = blob_writer_written(w);
	rc = find_limit(&s);
	if (!rc)
		rc = write_stretch(w, &s);
	return rc ? blob_writer_fail(w, rc) : 0;
}

/* --- edits ---------------------------------------------------------------- */

static int write_kept(struct blob_writer *w, struct blob *old, uint64_t from,
		      uint64_t to)
{
	uint64_t end = MIN(to, old->size);
	int rc = 0;

	if (from < end)
		rc = blob_write_blob(w, old, from, end - from);
	from = MAX(from, end);
	if (!rc && from < to)
		rc = blob_write_zeros(w, to - from);
	return rc;
}

static int write_inserted(struct blob_writer *w, const struct blob_edit *e)
{
	if (e->bytes)
		return blob_write(w, e->bytes, e->insert);
	if (e->from)
		return blob_write_blob(w, e->from, e->from_off, e->insert);
	return blob_write_zeros(w, e->insert);
}

int blob_splice(struct store *s, struct blob *old,
		const struct blob_edit *edits, size_t count, struct addr *ret,
		uint64_t *ret_size)
{
	CLEANUP(blob_writer_freep) struct blob_writer *w = NULL;
	const struct blob_edit *e = edits;
	uint64_t at = 0;
	int rc = 0;

	if (!count) {
		*ret = old->root;
		if (ret_size)
			*ret_size = old->size;
		return 0;
	}
	w = blob_writer_new(s);
	if (!w)
		return -ENOMEM;
	for (; !rc && e < edits + count; e++) {
		if (e->off < at || e->off > BLOB_SIZE_MAX)
			return -EINVAL;
		rc = write_kept(w, old, at, e->off);
		if (!rc)
			rc = write_inserted(w, e);
		at = e->remove > BLOB_SIZE_MAX - e->off ? BLOB_SIZE_MAX
							: e->off + e->remove;
	}
	if (!rc && at < old->size)
		rc = write_kept(w, old, at, old->size);
	return rc ? rc : blob_finish(w, ret, ret_size);
}
