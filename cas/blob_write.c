/* Bytes go into a buffer; what the cutter decides leaves it as chunks and
 * holes, the entries of the tree (blob_tree.h). Nothing but a few buffers and
 * one unfinished node a height is kept, whatever the file's size.
 *
 * A content that fits into one buffer, more or less, is put where it is. From
 * a full buffer on there is a line (cas/ingest.h): chunks go into it, holes
 * too for the sake of the order, and what comes out is an entry.
 *
 * Zeros are held back in the buffer until there is enough in sight to tell
 * whether they are a hole; once they are, they are only counted.
 */
#include "cas/blob_writer.h"

#include <errno.h>

#include "cas/ingest.h"

#define BUFFER INGEST_BUFFER
#define SMALL  KIB(512) /* not worth waking other threads for */
#define FEW    4	/* parts of other blobs: neither */

/* In the line's order, the place of a part of another blob. */
#define PART UINT64_MAX

/* What is left undecided in a buffer leaves room for half of one more. */
_Static_assert(BUFFER / 2 > CHUNKER_SIGHT, "else the cutter never decides");

struct blob_writer {
	int rc; /* the error that stays */

	struct ingest_line *line; /* NULL: none yet */
	struct ingest_buffer *buffer;
	uint8_t *buf; /* its BUFFER bytes, of which from..to are undecided */
	size_t from, to;
	struct cutter cutter;
	uint64_t hole; /* length so far of the hole being counted, or 0 */
	uint64_t taken;

	/* what was skipped, and is in the line; all of it, counted */
	struct blob_part parts[INGEST_SLOTS];
	uint64_t parts_given, parts_taken;

	struct blob_tree tree;
};

struct blob_writer *blob_writer_new(struct store *s)
{
	struct blob_writer *w = calloc(1, sizeof(*w));

	if (w)
		w->tree.s = s;
	return w;
}

static void writer_done(struct blob_writer *w)
{
	ingest_line_free(w->line); /* nobody works in the buffer any more */
	ingest_buffer_free(w->buffer);
	blob_tree_done(&w->tree);
}

void blob_writer_free(struct blob_writer *w)
{
	if (!w)
		return;
	writer_done(w);
	free(w);
}

void blob_writer_check(struct blob_writer *w)
{
	w->tree.checked = true;
}

/* --- the stream ----------------------------------------------------------- */

static int take_part(struct blob_writer *w)
{
	const struct blob_part *p = &w->parts[w->parts_taken++ % INGEST_SLOTS];

	return p->add(&w->tree, p);
}

/* Entries that have come out of the line; all: until it is empty, else until
 * there is room in it. */
static int take_entries(struct blob_writer *w, bool all)
{
	struct addr a;
	uint64_t size;
	int rc;

	for (;;) {
		rc = ingest_take(w->line, all || ingest_full(w->line), &a,
				 &size);
		if (rc <= 0)
			return rc;
		rc = size == PART ? take_part(w)
				  : blob_tree_add(&w->tree, &a, size);
		if (rc)
			return rc;
	}
}

static int end_hole(struct blob_writer *w)
{
	static const struct addr zero;
	uint64_t len = w->hole;
	int rc;

	w->hole = 0;
	if (!w->line)
		return blob_tree_add(&w->tree, &zero, len);
	rc = take_entries(w, false);
	return rc ? rc : ingest_pass(w->line, len);
}

static int take_chunk(struct blob_writer *w, const uint8_t *p, size_t n)
{
	struct addr a;
	int rc;

	if (w->line) {
		rc = take_entries(w, false);
		return rc ? rc : ingest_put(w->line, w->buffer, p, n);
	}
	rc = blob_tree_put(&w->tree, OBJ_CHUNK, p, n, &a);
	return rc ? rc : blob_tree_add(&w->tree, &a, n);
}

/* Takes one piece off the front of n bytes, or zeros that go on with a hole:
 * 1; 0 when these do not decide it. last: they are all. */
static int take_piece(struct blob_writer *w, const uint8_t *p, size_t n,
		      bool last, size_t *ret_used)
{
	enum piece piece;
	size_t len;
	int rc;

	if (w->hole) {
		len = zeros_at(p, n);
		w->hole += len;
		*ret_used = len;
		if (len == n && !last)
			return 0;
		rc = end_hole(w);
		return rc ? rc : 1;
	}
	*ret_used = 0;
	piece = cutter_next(&w->cutter, store_chunker(w->tree.s), p, n, last,
			    &len);
	if (piece == PIECE_MORE)
		return 0;
	*ret_used = len;
	if (piece == PIECE_HOLE) {
		w->hole = len;
		return 1;
	}
	rc = take_chunk(w, p, len);
	return rc ? rc : 1;
}

/* Takes the pieces that are decided off the front of n bytes; last: all. With
 * less in sight than decides in any case nothing is tried, so that the cutter
 * looks at few bytes twice. */
static int take_pieces(struct blob_writer *w, const uint8_t *p, size_t n,
		       bool last, size_t *ret_used)
{
	size_t used = 0, len;
	int rc = 1;

	if (!p)
		p = (const uint8_t *)""; /* nothing was written */
	while (rc > 0 && (w->hole || last || n - used >= CHUNKER_SIGHT)) {
		rc = take_piece(w, p + used, n - used, last, &len);
		used += len;
	}
	*ret_used = used;
	return MIN(rc, 0);
}

static int fail(struct blob_writer *w, int rc)
{
	if (rc)
		w->rc = rc;
	return rc;
}

static int begin_line(struct blob_writer *w)
{
	if (!w->line)
		w->line = ingest_line_new(w->tree.s, w->tree.checked);
	return w->line ? 0 : -ENOMEM;
}

/* Goes on in another buffer, or in this one where nothing is under way. */
static int turn_buffer(struct blob_writer *w)
{
	int rc = 0;

	if (w->line)
		rc = ingest_turn(w->line, &w->buffer, w->buf + w->from,
				 w->to - w->from);
	else
		memmove(w->buf, w->buf + w->from, w->to - w->from);
	if (rc)
		return rc;
	w->buf = ingest_bytes(w->buffer);
	w->to -= w->from;
	w->from = 0;
	return 0;
}

/* Room for more bytes in the buffer, at least one. */
static int room(struct blob_writer *w, uint8_t **ret, size_t *ret_n)
{
	int rc;

	if (!w->buf) {
		rc = ingest_buffer_new(&w->buffer);
		if (rc)
			return rc;
		w->buf = ingest_bytes(w->buffer);
	}
	if (w->from && BUFFER - w->to < BUFFER / 2) {
		rc = turn_buffer(w);
		if (rc)
			return rc;
	}
	*ret = w->buf + w->to;
	*ret_n = BUFFER - w->to;
	return 0;
}

/* n bytes were put there. The buffer is worked off when it is full, so that
 * the cutter looks at the same bytes once. */
static int filled(struct blob_writer *w, size_t n)
{
	size_t used;
	int rc;

	w->to += n;
	if (w->to < BUFFER && !w->hole)
		return 0;
	rc = w->hole ? 0 : begin_line(w);
	if (!rc)
		rc = take_pieces(w, w->buf + w->from, w->to - w->from, false,
				 &used);
	if (rc)
		return rc;
	w->from += used;
	return w->from == w->to ? turn_buffer(w) : 0;
}

/* Counts what is asked to be written, so that no sum ever overflows. */
static int account(struct blob_writer *w, uint64_t n)
{
	if (w->rc)
		return w->rc;
	if (n > BLOB_SIZE_MAX - w->taken)
		return fail(w, -EFBIG);
	w->taken += n;
	return 0;
}

int blob_write(struct blob_writer *w, const void *p, size_t n)
{
	const uint8_t *b = p;
	size_t len;
	uint8_t *to;
	int rc = account(w, n);

	while (!rc && n) {
		if (w->hole && w->from == w->to) {
			/* zeros that go on with a hole need no copy */
			len = zeros_at(b, n);
			w->hole += len;
			b += len;
			n -= len;
			if (!n)
				break;
		}
		rc = room(w, &to, &len);
		if (rc)
			break;
		len = MIN(len, n);
		memcpy(to, b, len);
		b += len;
		n -= len;
		rc = filled(w, len);
	}
	return rc ? fail(w, rc) : 0;
}

/* So many zeros are a hole, with those that stand before them: what is not
 * decided yet is the end of a segment. */
static int begin_hole(struct blob_writer *w, uint64_t n)
{
	size_t left = w->to - w->from, zeros = 0, used;
	int rc = 0;

	if (left)
		zeros = zeros_before(w->buf + w->from, left);
	left -= zeros;
	if (left)
		rc = take_pieces(w, w->buf + w->from, left, true, &used);
	w->from = w->to;
	w->cutter.settled = 0;
	w->hole += zeros + n;
	return rc;
}

int blob_write_zeros(struct blob_writer *w, uint64_t n)
{
	uint8_t *to;
	size_t len;
	int rc = account(w, n);

	if (!rc && (n > HOLE_MORE_THAN || (w->hole && w->from == w->to))) {
		rc = begin_hole(w, n);
		return rc ? fail(w, rc) : 0;
	}
	while (!rc && n) {
		rc = room(w, &to, &len);
		if (rc)
			break;
		len = MIN(len, n);
		memset(to, 0, len);
		n -= len;
		rc = filled(w, len);
	}
	return rc ? fail(w, rc) : 0;
}

/* --- for blob_splice.c ---------------------------------------------------- */

uint64_t blob_writer_written(const struct blob_writer *w)
{
	return w->taken;
}

int blob_writer_step(struct blob_writer *w)
{
	size_t used;
	int rc = w->rc;

	/* in a hole there may be nothing left to look at */
	while (!rc && w->from < w->to) {
		rc = take_piece(w, w->buf + w->from, w->to - w->from, false,
				&used);
		w->from += used;
		if (rc <= 0)
			break;
		if (!w->hole)
			return 1;
		rc = 0; /* it has only begun */
	}
	return rc ? fail(w, rc) : 0;
}

bool blob_writer_boundary(const struct blob_writer *w, uint64_t *ret_off)
{
	*ret_off = w->taken - (w->to - w->from);
	return !w->hole;
}

static int pass_part(struct blob_writer *w, const struct blob_part *part)
{
	int rc = take_entries(w, false);

	if (rc)
		return rc;
	w->parts[w->parts_given++ % INGEST_SLOTS] = *part;
	return ingest_pass(w->line, PART);
}

/* Many parts are many edits, each with a few chunks to be hashed and
 * compressed: by all cores, then. */
int blob_writer_skip(struct blob_writer *w, const struct blob_part *part)
{
	int rc = 0;

	w->taken -= w->to - w->from;
	w->from = w->to; /* pieces in front of it may be under way */
	w->cutter.settled = 0;
	rc = account(w, part->end - part->start);
	if (!rc && !w->line && w->parts_given < FEW) {
		w->parts_given++;
		w->parts_taken++;
		rc = part->add(&w->tree, part);
	} else if (!rc) {
		rc = begin_line(w);
		if (!rc)
			rc = pass_part(w, part);
	}
	return fail(w, rc);
}

int blob_writer_fail(struct blob_writer *w, int rc)
{
	return fail(w, rc);
}

int blob_finish(struct blob_writer *w, struct addr *ret, uint64_t *ret_size)
{
	const uint8_t *p = w->buf ? w->buf + w->from : NULL;
	struct addr root;
	size_t used;
	int rc = w->rc;

	if (!rc && w->to - w->from > SMALL)
		rc = begin_line(w);
	if (!rc)
		rc = take_pieces(w, p, w->to - w->from, true, &used);
	if (!rc && w->line)
		rc = take_entries(w, true);
	if (!rc)
		rc = blob_tree_finish(&w->tree, &root);
	if (rc)
		return fail(w, rc);
	w->rc = -EINVAL; /* finished: there is nothing to go on with */
	*ret = root;
	if (ret_size)
		*ret_size = w->tree.size;
	return 0;
}

/* --- from a descriptor ---------------------------------------------------- */

/* Where the data at or behind off begins and ends; off at the file's end.
 * A file system that knows of no holes says that all is data. */
static int next_data(int fd, uint64_t off, uint64_t *ret_from, uint64_t *ret_to)
{
	off_t from, to, end;

	from = lseek(fd, (off_t)off, SEEK_DATA);
	if (from < 0 && errno == EINVAL) {
		*ret_from = off;
		*ret_to = UINT64_MAX;
		return 0;
	}
	if (from < 0 && errno != ENXIO)
		return -errno;
	if (from < 0) { /* no data up to the end */
		end = lseek(fd, 0, SEEK_END);
		if (end < 0)
			return -errno;
		*ret_from = *ret_to = MAX((uint64_t)end, off);
		return 0;
	}
	to = lseek(fd, from, SEEK_HOLE);
	if (to < 0)
		return -errno;
	*ret_from = (uint64_t)from;
	*ret_to = (uint64_t)to;
	return 0;
}

/* 0 at the end of the file. */
static ssize_t fill(struct blob_writer *w, int fd, uint64_t off, uint64_t n)
{
	uint8_t *to;
	size_t len;
	ssize_t got;
	int rc = room(w, &to, &len);

	if (rc)
		return rc;
	do
		got = pread(fd, to, MIN((uint64_t)len, n), (off_t)off);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	rc = account(w, (uint64_t)got);
	if (!rc)
		rc = filled(w, (size_t)got);
	return rc ? rc : got;
}

static int write_fd(struct blob_writer *w, int fd)
{
	uint64_t off = 0, from = 0, to = 0;
	ssize_t n;
	int rc;

	for (;;) {
		rc = next_data(fd, off, &from, &to);
		if (!rc && from > off)
			rc = blob_write_zeros(w, from - off);
		if (rc)
			return rc;
		if (from == to)
			return 0;
		for (off = from; off < to; off += (uint64_t)n) {
			n = fill(w, fd, off, to - off);
			if (n < 0)
				return (int)n;
			if (!n)
				return 0; /* the end, or cut off meanwhile */
		}
	}
}

int blob_write_fd(struct blob_writer *w, int fd)
{
	return w->rc ? w->rc : fail(w, write_fd(w, fd));
}

int blob_put_fd(struct store *s, int fd, struct addr *ret, uint64_t *ret_size)
{
	CLEANUP(blob_writer_freep) struct blob_writer *w = blob_writer_new(s);
	int rc = w ? write_fd(w, fd) : -ENOMEM;

	return rc ? rc : blob_finish(w, ret, ret_size);
}

int blob_put(struct store *s, const void *p, size_t n, struct addr *ret)
{
	struct blob_writer w = {.tree.s = s};
	struct addr root;
	size_t used;
	int rc = account(&w, n);

	if (!rc && n > SMALL)
		rc = begin_line(&w);
	if (!rc)
		rc = take_pieces(&w, p, n, true, &used);
	if (!rc && w.line)
		rc = take_entries(&w, true);
	if (!rc)
		rc = blob_tree_finish(&w.tree, &root);
	writer_done(&w);
	if (!rc)
		*ret = root;
	return rc;
}

void blob_empty_addr(struct addr *ret)
{
	addr_of(OBJ_CHUNK, "", 0, ret);
}
