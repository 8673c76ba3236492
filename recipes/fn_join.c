#include "recipes/fn.h"

#include <errno.h>

#include "recipes/sorter.h"

/* Both inputs are sorted by their keys, here, whether they are or not, and then
 * walked side by side. Of the lines of the second input that have one key a
 * copy is kept, in memory or, when they are many, in scratch, to be gone
 * through for each line of the first input with that key. */

#define GROUP_MEMORY MIB(8)

struct side {
	struct sorter *sorter;
	unsigned field; /* from 1 */
	bool unpaired;	/* lines without a partner are written */
	struct line key, line;
	bool more;	     /* key and line hold one */
	struct buf key_copy; /* of a group */
};

struct join {
	struct fn_call *call;
	struct err *err;
	bool blanks; /* separate, any number of them */
	uint8_t delimiter;
	struct side a, b;

	struct buf group;  /* lines, each with its length before it */
	struct runs *runs; /* or these */
	struct run_writer writer;
	struct order order; /* of runs: none */
	struct fn_out out;
};

static void join_done(struct join *j)
{
	sorter_free(j->a.sorter);
	sorter_free(j->b.sorter);
	buf_done(&j->a.key_copy);
	buf_done(&j->b.key_copy);
	buf_done(&j->group);
	run_writer_done(&j->writer);
	runs_close(j->runs);
}

/* --- fields ----------------------------------------------------------------
 */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* The next field from *p on; false: there is none. As join(1) sees them. */
static bool next_field(const struct join *j, const uint8_t **p,
		       const uint8_t *end, bool first, struct line *ret)
{
	const uint8_t *s = *p, *stop;

	if (s == end)
		return false;
	if (j->blanks) {
		while (s < end && is_blank(*s))
			s++;
		/* blanks at the end have an empty field behind them */
		if (s == end && first)
			return false;
		for (stop = s; stop < end && !is_blank(*stop); stop++)
			;
	} else {
		s += !first; /* the delimiter */
		stop = s < end ? memchr(s, j->delimiter, (size_t)(end - s))
			       : NULL;
		stop = stop ? stop : end;
	}
	*ret = (struct line){s, (size_t)(stop - s)};
	*p = stop;
	return true;
}

static struct line field_of(const struct join *j, struct line l, unsigned field)
{
	const uint8_t *p = l.p, *end = l.p + l.n;
	struct line f = {0};
	unsigned i;

	for (i = 1; next_field(j, &p, end, i == 1, &f); i++)
		if (i == field)
			return f;
	return (struct line){0}; /* what is not there is empty */
}

static void put_others(struct join *j, struct line l, unsigned field)
{
	const uint8_t *p = l.p, *end = l.p + l.n;
	struct line f;
	unsigned i;

	for (i = 1; next_field(j, &p, end, i == 1, &f); i++)
		if (i != field) {
			fn_put_byte(&j->out, j->delimiter);
			fn_put(&j->out, f.p, f.n);
		}
}

/* --- sorting ---------------------------------------------------------------
 */

/* A record is the length of its key, the key, and the line. */
static struct line key_of(struct line record, struct line *ret_line)
{
	uint32_t n;

	memcpy(&n, record.p, sizeof(n));
	*ret_line = (struct line){record.p + sizeof(n) + n,
				  record.n - sizeof(n) - n};
	return (struct line){record.p + sizeof(n), n};
}

static int compare_keys(const void *ctx, struct line a, struct line b)
{
	struct line line;

	return line_compare(key_of(a, &line), key_of(b, &line));
}

static const struct order by_key = {.compare = compare_keys};

static int sort_side(struct join *j, struct side *s, size_t input)
{
	CLEANUP_LINES struct fn_lines l;
	CLEANUP_BUF struct buf record = BUF_INIT;
	struct line line, key;
	uint32_t n;
	int rc;

	fn_lines_init(&l, j->call, input, input + 1);
	rc = sorter_new(&by_key, j->call->scratch_fd, j->call->stop,
			&s->sorter);
	while (rc >= 0 && (rc = fn_next_line(&l, &line, j->err)) > 0) {
		key = field_of(j, line, s->field);
		n = (uint32_t)key.n;
		buf_reset(&record);
		buf_add(&record, &n, sizeof(n));
		buf_add(&record, key.p, key.n);
		buf_add(&record, line.p, line.n);
		if (buf_err(&record) < 0)
			return -ENOMEM;
		rc = sorter_add(s->sorter, record.data, record.len, j->err);
		if (rc == -E2BIG)
			rc = fn_line_error(&l, -EILSEQ, j->err,
					   "a line of more than %u MiB with "
					   "its key cannot be joined",
					   (unsigned)(RUN_LINE_MAX >> 20));
	}
	return rc < 0 ? rc : sorter_sort(s->sorter, j->err);
}

static int advance(struct join *j, struct side *s)
{
	struct line record;
	int rc = sorter_next(s->sorter, &record, j->err);

	s->more = rc > 0;
	if (s->more)
		s->key = key_of(record, &s->line);
	return rc < 0 ? rc : 0;
}

/* --- groups ----------------------------------------------------------------
 */

static int begin_group(struct join *j)
{
	buf_reset(&j->group);
	run_writer_done(&j->writer);
	j->writer = (struct run_writer){.order = &j->order};
	runs_close(j->runs);
	j->runs = NULL;
	return 0;
}

static int spill(struct join *j)
{
	int rc;

	if (j->runs)
		return 0;
	rc = runs_open(j->call->scratch_fd, &j->order, j->call->stop, &j->runs);
	if (rc < 0)
		return err_set(j->err, rc,
			       "joining many lines of one key needs a scratch "
			       "file: %s",
			       err_name(rc));
	runs_begin(j->runs, &j->writer);
	return 0;
}

/* The first ones in memory, what is more in scratch. */
static int add_to_group(struct join *j, struct line l)
{
	uint32_t n = (uint32_t)l.n;
	int rc;

	if (!j->runs && j->group.len + n < GROUP_MEMORY) {
		buf_add(&j->group, &n, sizeof(n));
		buf_add(&j->group, l.p, l.n);
		return buf_err(&j->group);
	}
	rc = spill(j);
	return rc < 0 ? rc : run_write(&j->writer, l);
}

static int put_pair(struct join *j, struct line b)
{
	fn_put(&j->out, j->b.key_copy.data, j->b.key_copy.len);
	put_others(j, j->a.line, j->a.field);
	put_others(j, b, j->b.field);
	fn_put_byte(&j->out, '\n');
	return fn_stopped(j->call) ? -ECANCELED : j->out.rc;
}

/* The present line of a with each of the group. */
static int put_pairs(struct join *j)
{
	struct cur c = cur_of(j->group.data, j->group.len);
	struct line l;
	uint32_t n;
	int rc = 0;

	while (cur_left(&c) && rc >= 0) {
		memcpy(&n, cur_bytes(&c, sizeof(n)), sizeof(n));
		l = (struct line){cur_bytes(&c, n), n};
		rc = put_pair(j, l);
	}
	if (rc < 0 || !j->runs)
		return rc;
	rc = runs_merge(j->runs);
	while (rc >= 0 && (rc = runs_next(j->runs, &l)) > 0)
		rc = put_pair(j, l);
	return rc;
}

static bool has_key(const struct side *s, const struct buf *key)
{
	return s->more &&
	       !line_compare(s->key, (struct line){key->data, key->len});
}

/* Both stand at the first line of a key that both have. */
static int join_group(struct join *j)
{
	struct buf *key = &j->b.key_copy;
	int rc = begin_group(j);

	buf_reset(key);
	buf_add(key, j->b.key.p, j->b.key.n);
	if (buf_err(key) < 0)
		return -ENOMEM;
	while (rc >= 0 && has_key(&j->b, key)) {
		rc = add_to_group(j, j->b.line);
		if (rc >= 0)
			rc = advance(j, &j->b);
	}
	if (rc >= 0 && j->runs)
		rc = runs_end(j->runs, &j->writer);
	while (rc >= 0 && has_key(&j->a, key)) {
		rc = put_pairs(j);
		if (rc >= 0)
			rc = advance(j, &j->a);
	}
	return rc;
}

static int put_unpaired(struct join *j, struct side *s)
{
	if (s->unpaired) {
		fn_put(&j->out, s->key.p, s->key.n);
		put_others(j, s->line, s->field);
		fn_put_byte(&j->out, '\n');
	}
	return advance(j, s);
}

static int merge(struct join *j)
{
	int rc = advance(j, &j->a), c;

	if (rc >= 0)
		rc = advance(j, &j->b);
	while (rc >= 0 && (j->a.more || j->b.more) && j->out.rc >= 0) {
		c = !j->a.more	 ? 1
		    : !j->b.more ? -1
				 : line_compare(j->a.key, j->b.key);
		rc = c < 0   ? put_unpaired(j, &j->a)
		     : c > 0 ? put_unpaired(j, &j->b)
			     : join_group(j);
	}
	return rc < 0 ? rc : fn_out_end(&j->out);
}

static int join(struct fn_call *call, struct err *err)
{
	bool full = fn_is(call, "lines", "all");
	CLEANUP(join_done)
	struct join j = {
		.call = call,
		.err = err,
		.blanks = !fn_given(call, "delimiter"),
		.delimiter = fn_byte(call, "delimiter"),
		.a = {.field = (unsigned)fn_int(call, "field1"),
		      .unpaired = full || fn_is(call, "lines", "first")},
		.b = {.field = (unsigned)fn_int(call, "field2"),
		      .unpaired = full || fn_is(call, "lines", "second")},
	};
	int rc;

	fn_out_init(&j.out, call, err);
	rc = sort_side(&j, &j.a, 0);
	if (rc >= 0)
		rc = sort_side(&j, &j.b, 1);
	return rc < 0 ? rc : merge(&j);
}

static const struct fn_param params[] = {
	PARAM_INT("field1", "1", 1, 100000, "the key in the first input"),
	PARAM_INT("field2", "1", 1, 100000, "the key in the second input"),
	PARAM_BYTE("delimiter", " ",
		   "the byte between fields, or the word tab; when it is not "
		   "given, any blanks separate"),
	PARAM_CHOICE("lines", "paired", "paired first second all",
		     "those that have a partner, and also those without one of "
		     "the first, of the second, of both inputs"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "join",
		.help = "the lines of two inputs that have the same key, side "
			"by side, in the order of the keys, as join(1); the "
			"inputs need not be sorted",
		.version = 1,
		.params = params,
		.min_inputs = 2,
		.max_inputs = 2,
		.example = "== names.txt\n"
			   "7 Ada\n"
			   "3 Grace\n"
			   "== cities.txt\n"
			   "3 New York\n"
			   "7 London\n"
			   "== both.txt.recipe\n"
			   "in: [names.txt, cities.txt]\n"
			   "fn: join\n"
			   "== both.txt\n"
			   "3 Grace New York\n"
			   "7 Ada London\n",
		.run = join,
	},
};

const struct fn_family family_join = {"Two files", rows, ARRAY_LEN(rows)};
