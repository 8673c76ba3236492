#include "cli/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/lines.h"
#include "cas/blob_diff.h"
#include "cli/gone.h"
#include "cli/history.h"
#include "cli/moment.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/clock.h"
#include "core/keepsakes.h"
#include "core/tree_diff.h"

#define TEXT_MAX   MIB(32) /* larger files are told of by chunks */
#define RANGES_MAX 20	   /* lines of them */

struct diff {
	struct history h;
	struct store *store;
	bool json, patch;
	const char *rel; /* below the root */
	uint64_t a, b;
	unsigned told; /* objects printed; json */
};

/* What a path leads to at a moment. */
struct side {
	bool there, dir, derived;
	struct ns_attr attr;
	struct addr addr;
	uint64_t size;
};

/* --- paths -----------------------------------------------------------------
 */

static int find_ino(struct diff *d, uint64_t at, uint64_t *ret_dir,
		    const char **ret_name, uint64_t *ret_ino)
{
	const char *p = d->rel, *slash;
	uint64_t dir = NS_ROOT;
	int rc;

	while ((slash = strchr(p, '/'))) {
		rc = ns_lookup(d->h.ns, at, dir, p, (size_t)(slash - p), &dir,
			       NULL);
		if (rc < 0)
			return rc;
		p = slash + 1 + strspn(slash + 1, "/");
	}
	*ret_dir = dir;
	*ret_name = p;
	if (!*p) {
		*ret_ino = NS_ROOT;
		return 0;
	}
	*ret_ino = 0;
	rc = ns_lookup(d->h.ns, at, dir, p, strlen(p), ret_ino, NULL);
	return rc == -ENOENT ? 0 : rc;
}

static int find_side(struct diff *d, uint64_t at, struct side *ret)
{
	uint64_t dir, ino;
	const char *name;
	struct derived v;
	int rc = find_ino(d, at, &dir, &name, &ino);

	*ret = (struct side){0};
	if (rc == -ENOENT || rc == -ENOTDIR)
		return 0;
	if (rc >= 0 && ino) {
		rc = ns_getattr(d->h.ns, at, ino, &ret->attr);
		ret->there = rc >= 0;
		ret->dir = rc >= 0 && S_ISDIR(ret->attr.mode);
		ret->addr = ret->attr.addr;
		ret->size = ret->attr.size;
		return rc;
	}
	if (rc >= 0)
		rc = results_derived(d->h.results, at, dir, name, strlen(name),
				     &v);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	ret->there = !v.error;
	ret->derived = true;
	ret->dir = v.is_dir;
	ret->addr = v.addr;
	ret->size = v.size;
	ret->attr.mode = S_IFREG | (v.executable ? 0555 : 0444);
	return 0;
}

/* --- contents ----------------------------------------------------------------
 */

static int load(struct diff *d, const struct side *s, struct buf *ret)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	uint8_t *p;
	ssize_t n;
	int rc;

	if (!s->there || !s->size)
		return 0;
	rc = blob_open(d->store, &s->addr, &b);
	if (rc < 0)
		return rc;
	p = buf_room(ret, blob_size(b));
	if (!p)
		return -ENOMEM;
	n = blob_pread(b, p, blob_size(b), 0);
	if (n < 0)
		return (int)n;
	ret->len += (size_t)n;
	return 0;
}

/* As git says what is text: no NUL in the first 8000 bytes. */
static bool is_text(const struct buf *b)
{
	return !b->len || !memchr(b->data, 0, MIN(b->len, (size_t)8000));
}

static void print_ranges(const char *of, const struct blob_side *s)
{
	size_t i;

	for (i = 0; i < s->count && i < RANGES_MAX; i++)
		printf("  %s: bytes %" PRIu64 " to %" PRIu64 "\n", of,
		       s->ranges[i].start, s->ranges[i].end);
	if (i < s->count)
		printf("  %s: and %zu more places\n", of, s->count - i);
}

static void print_part(const char *sign, const struct blob_side *s)
{
	char bytes[32], size[32];

	size_format(s->bytes, bytes, sizeof(bytes));
	size_format(s->size, size, sizeof(size));
	printf("%s%s of %s, %" PRIu64 " %s", sign, bytes, size, s->chunks,
	       s->chunks == 1 ? "chunk" : "chunks");
}

static int diff_chunks(struct diff *d, const struct side *a,
		       const struct side *b)
{
	struct addr none, *x = &none, *y = &none;
	struct blob_delta delta;
	int rc;

	blob_empty_addr(&none);
	if (a->there)
		x = (struct addr *)(uintptr_t)&a->addr;
	if (b->there)
		y = (struct addr *)(uintptr_t)&b->addr;
	rc = blob_diff(d->store, x, y, &delta);
	if (rc < 0)
		return rc;
	print_part("Contents differ: -", &delta.a);
	print_part(", +", &delta.b);
	putchar('\n');
	print_ranges("-", &delta.a);
	print_ranges("+", &delta.b);
	blob_delta_done(&delta);
	return 0;
}

static void print_head(struct diff *d, const char *from, const char *to)
{
	printf("--- ");
	print_name(from ? from : "/dev/null");
	printf("\t@%" PRIu64 "\n+++ ", d->a);
	print_name(to ? to : "/dev/null");
	printf("\t@%" PRIu64 "\n", d->b);
}

static int diff_content(struct diff *d, const char *from, const char *to,
			const struct side *a, const struct side *b)
{
	CLEANUP_BUF struct buf x = BUF_INIT, y = BUF_INIT, out = BUF_INIT;
	bool small = a->size <= TEXT_MAX && b->size <= TEXT_MAX;
	int rc = 0;

	if (small)
		rc = load(d, a, &x);
	if (small && rc >= 0)
		rc = load(d, b, &y);
	if (rc < 0)
		return rc;
	print_head(d, from, to);
	if (!small || !is_text(&x) || !is_text(&y))
		return diff_chunks(d, a, b);
	rc = lines_diff(&(struct text){(char *)x.data, x.len},
			&(struct text){(char *)y.data, y.len}, &out);
	if (rc >= 0)
		print_buf(&out);
	return rc;
}

/* --- one file ----------------------------------------------------------------
 */

static void print_mode(const char *what, const struct side *s)
{
	if (s->there && !s->derived)
		printf("%s mode %06o\n", what, s->attr.mode);
}

static int print_target(struct diff *d, const char *sign, uint64_t at,
			const struct side *s)
{
	CLEANUP_BUF struct buf target = BUF_INIT;
	int rc;

	if (!s->there || !S_ISLNK(s->attr.mode))
		return 0;
	rc = ns_readlink(d->h.ns, at, s->attr.ino, &target);
	if (rc < 0)
		return rc;
	printf("%s-> ", sign);
	print_name(buf_cstr(&target));
	putchar('\n');
	return 0;
}

static bool has_content(const struct side *s)
{
	return s->there && S_ISREG(s->attr.mode);
}

static int diff_file(struct diff *d, const char *from, const char *to,
		     const struct side *a, const struct side *b)
{
	int rc;

	if (!a->there || !b->there || a->attr.mode != b->attr.mode) {
		print_mode(b->there ? "old" : "deleted", a);
		print_mode(a->there ? "new" : "added", b);
	}
	if ((has_content(a) || has_content(b)) &&
	    (has_content(a) != has_content(b) || !addr_eq(&a->addr, &b->addr)))
		return diff_content(d, a->there ? from : NULL,
				    b->there ? to : NULL, a, b);
	rc = print_target(d, "-", d->a, a);
	return rc < 0 ? rc : print_target(d, "+", d->b, b);
}

/* --- trees -------------------------------------------------------------------
 */

static void json_field(struct buf *b, const char *name, const char *value)
{
	if (!value)
		return;
	buf_fmt(b, ",\"%s\":", name);
	buf_json(b, value, strlen(value));
}

static void json_side(struct buf *b, const char *name, bool there,
		      const struct ns_attr *a)
{
	char hex[ADDR_HEX];

	if (!there)
		return;
	buf_fmt(b, ",\"%s\":{\"mode\":\"%06o\",\"size\":%" PRIu64, name,
		a->mode, a->size);
	if (S_ISREG(a->mode)) {
		addr_hex(&a->addr, hex);
		buf_fmt(b, ",\"address\":\"%s\"", hex);
	}
	buf_str(b, "}");
}

static int print_json(struct diff *d, const struct tree_change *c)
{
	static const char *const words[] = {"added", "removed", "changed",
					    "renamed"};
	CLEANUP_BUF struct buf b = BUF_INIT;

	buf_fmt(&b, "%s{\"what\":\"%s\"", d->told++ ? ",\n" : "",
		words[c->what]);
	json_field(&b, "from", c->from);
	json_field(&b, "to", c->to);
	json_side(&b, "old", c->from, &c->a);
	json_side(&b, "new", c->to, &c->b);
	buf_str(&b, "}");
	print_buf(&b);
	return buf_err(&b);
}

/* In the manner of git diff --name-status. */
static void print_line(const struct tree_change *c)
{
	static const char letters[] = "ADMR";

	printf("%c\t", letters[c->what]);
	if (c->what == TREE_RENAMED || (c->what == TREE_CHANGED && c->from &&
					c->to && strcmp(c->from, c->to) != 0)) {
		print_name(c->from);
		printf(" -> ");
	}
	print_name(c->to ? c->to : c->from);
	if (S_ISDIR(c->to ? c->b.mode : c->a.mode))
		putchar('/');
	putchar('\n');
}

static int print_patch(struct diff *d, const struct tree_change *c)
{
	const struct side a = {.there = c->from,
			       .attr = c->a,
			       .addr = c->a.addr,
			       .size = c->a.size};
	const struct side b = {.there = c->to,
			       .attr = c->b,
			       .addr = c->b.addr,
			       .size = c->b.size};

	print_line(c);
	return diff_file(d, c->from, c->to, &a, &b);
}

static int diff_tree(struct diff *d)
{
	struct tree_changes changes;
	size_t i;
	int rc = tree_diff(d->h.ns, d->a, d->b, d->rel, &changes);

	if (rc < 0)
		return rc;
	for (i = 0; rc >= 0 && i < changes.n; i++)
		if (d->json)
			rc = print_json(d, &changes.list[i]);
		else if (d->patch)
			rc = print_patch(d, &changes.list[i]);
		else
			print_line(&changes.list[i]);
	tree_changes_done(&changes);
	return rc;
}

/* --- moments
 * ------------------------------------------------------------------- */

static int newest(void *ctx, const char *name, uint64_t seq, int64_t time_ns)
{
	uint64_t *last = ctx;

	(void)name;
	(void)time_ns;
	*last = MAX(*last, seq);
	return 0;
}

/* Before what happened last to a file; of a tree, the last snapshot, or from
 * the beginning. */
static int default_a(struct diff *d, bool dir)
{
	CLEANUP(events_done) struct events events = {0};
	uint64_t seq = 1;
	size_t i;
	int rc;

	if (dir) {
		rc = snapshots_each(d->h.db, newest, &seq);
	} else {
		rc = history_of_path(&d->h, d->rel, false, &events);
		for (i = 0; rc >= 0 && i < events.count; i++)
			if (events.list[i].seq <= d->b)
				seq = MAX(seq, events.list[i].seq - 1);
	}
	if (rc >= 0)
		d->a = MAX(seq, (uint64_t)1);
	return rc;
}

static int find_moments(struct diff *d, char **when, int n)
{
	struct side s;
	int rc = 0;

	d->b = ns_last_change(d->h.ns);
	if (n > 1)
		rc = moment_find(&d->h, when[1], &d->b);
	if (rc >= 0 && n > 0)
		rc = moment_find(&d->h, when[0], &d->a);
	if (rc < 0 || n > 0)
		return rc;
	rc = find_side(d, d->b, &s);
	if (rc >= 0)
		rc = default_a(d, s.dir && !s.derived);
	return rc;
}

static int never(const char *shown, const struct diff *d)
{
	return fail("%s: there was no such file at @%" PRIu64
		    ", nor at @%" PRIu64
		    " (deriva log %s lists what there was)",
		    shown, d->a, d->b, shown);
}

static int diff(struct diff *d, const char *shown, char **when, int n)
{
	struct side a, b;
	int rc = find_moments(d, when, n);

	if (rc < 0)
		return EXIT_FAILURE;
	rc = find_side(d, d->a, &a);
	if (rc >= 0)
		rc = find_side(d, d->b, &b);
	if (rc < 0)
		return fail("%s: %s", shown, err_name(rc));
	if (!a.there && !b.there)
		return never(shown, d);
	if ((a.dir && a.derived) || (b.dir && b.derived))
		return fail("%s is a directory made by a recipe: compare "
			    ".deriva/at/@%" PRIu64
			    "/%s and .deriva/at/@%" PRIu64 "/%s with diff -r",
			    shown, d->a, d->rel, d->b, d->rel);
	if (d->json)
		putchar('[');
	rc = a.dir || b.dir || d->json ? diff_tree(d)
				       : diff_file(d, d->rel, d->rel, &a, &b);
	if (d->json)
		puts("]");
	if (rc == -ENOENT || rc == -ENODATA)
		return fail("%s: bytes of it are not kept any more", shown);
	return rc < 0 ? fail("%s: %s", shown, err_name(rc)) : EXIT_SUCCESS;
}

static int show(struct cli *cli, struct diff *d, char **argv, int n)
{
	CLEANUP_FREE char *from = NULL, *rel = NULL, *root = NULL,
			  *store = NULL;
	struct pager pager;
	struct err err;
	size_t len;
	int status, rc;

	if (cli->store)
		rel = strdup(argv[0] + strspn(argv[0], "/"));
	else if (gone_find(argv[0], &from, &rel) < 0)
		return EXIT_FAILURE;
	if (!rel || where_mount(cli, from, &root, &store) < 0)
		return EXIT_FAILURE;
	for (len = strlen(rel); len && rel[len - 1] == '/'; len--)
		rel[len - 1] = '\0';
	if (store_open(store, 0, &d->store, &err) < 0)
		return fail("%s", err.msg);
	d->rel = rel;
	if (history_open_at(cli, root, store, &d->h) < 0) {
		rc = store_close(d->store);
		return rc < 0 ? fail("%s: %s", store, err_name(rc))
			      : EXIT_FAILURE;
	}
	pager_start(&pager);
	db_lock(d->h.db);
	status = diff(d, argv[0], argv + 1, n);
	db_unlock(d->h.db);
	history_close(&d->h);
	rc = store_close(d->store);
	if (pager_wait(&pager))
		return EXIT_FAILURE;
	return rc < 0 ? fail("%s: %s", store, err_name(rc)) : status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct diff d = {0};
	int n;

	while (next_option(&cmd_diff, cli, argc, argv) != -1)
		d.patch = true;
	n = count_operands(&cmd_diff, argc, 1, 3);
	d.json = cli->json;
	return show(cli, &d, argv + optind, n - 1);
}

static const struct option longs[] = {
	{"patch", no_argument, NULL, 'p'},
	OPT_JSON,
	OPT_STORE,
	OPT_END,
};

const struct command cmd_diff = {
	.name = "diff",
	.args = "[-p] [--json] [--store DIR] PATH [A [B]]",
	.summary = "in what a file or tree differs between two moments",
	.help = "From moment A to moment B (default: now). Without A, of a "
		"file from before what\nhappened to it last, of a directory "
		"from the last snapshot, or the beginning.\nOf a text the "
		"lines, of other contents how many bytes, and where; of a "
		"directory\nthe files below it: A added, D removed, M changed, "
		"R renamed. It takes time for\nwhat differs, however large the "
		"file or the tree.\n\n"
		"A and B: 2026-11-20T10:00, yesterday, \"2 hours ago\", @1234, "
		"a snapshot\n\n"
		"  -p, --patch  of a directory also in what each file differs\n"
		"  --json       for programs: a list of objects\n"
		"  --store DIR  of that store, PATH from its root; no mount is "
		"needed\n",
	.shorts = "p",
	.longs = longs,
	.run = run,
};
