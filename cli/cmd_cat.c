#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>

#include "cas/blob.h"
#include "cas/dir.h"
#include "cli/history.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/journal.h"
#include "recipes/canon.h"

struct cat {
	struct store *store;
	const char *path; /* of the store */
	struct addr addr;
	bool raw;
};

/* Address and name of a damaged or missing part are more than errno says. */
static int cannot(const struct cat *c, int rc)
{
	char hex[ADDR_HEX];

	addr_hex(&c->addr, hex);
	switch (rc) {
	case -ENOENT:
		return fail("%s: the store has no such object", hex);
	case -EBADMSG:
		return fail("%s: its bytes on disk are damaged (deriva put of "
			    "the same content heals it)",
			    hex);
	default:
		return fail("%s: %s", hex, err_name(rc));
	}
}

static int print_blob(const struct cat *c)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	CLEANUP_FREE char *block = malloc(MIB(1));
	uint64_t off = 0;
	ssize_t n;
	int rc;

	rc = block ? blob_open(c->store, &c->addr, &b) : -ENOMEM;
	if (rc < 0)
		return cannot(c, rc);
	while ((n = blob_pread(b, block, MIB(1), off)) > 0) {
		if (fwrite(block, 1, (size_t)n, stdout) != (size_t)n)
			return EXIT_FAILURE; /* finish_output() says why */
		off += (uint64_t)n;
	}
	return n < 0 ? cannot(c, (int)n) : EXIT_SUCCESS;
}

static int print_entry(void *ctx, const struct dir_entry *e)
{
	static const char *const types[] = {
		[DIR_FILE] = "file", [DIR_EXEC] = "exec", [DIR_DIR] = "dir",
		[DIR_LINK] = "link", [DIR_FIFO] = "fifo", [DIR_SOCK] = "sock",
		[DIR_CHR] = "chr",   [DIR_BLK] = "blk",
	};
	CLEANUP_BUF struct buf name = BUF_INIT, target = BUF_INIT;
	char hex[ADDR_HEX] = "-";

	buf_add(&name, e->name, e->name_len);
	buf_add(&target, e->target, e->target_len);
	if (buf_err(&name) || buf_err(&target))
		return -ENOMEM;
	if (!addr_is_zero(&e->addr))
		addr_hex(&e->addr, hex);
	printf("%-4s %-64s %10" PRIu64 " ", types[e->type], hex, e->size);
	print_name(buf_cstr(&name));
	if (e->type == DIR_LINK) {
		printf(" -> ");
		print_name(buf_cstr(&target));
	}
	putchar('\n');
	return 0;
}

static int print_dir(const struct cat *c)
{
	int rc = dir_each(c->store, &c->addr, print_entry, NULL);

	return rc < 0 ? cannot(c, rc) : EXIT_SUCCESS;
}

/* --- recipes, in the manner of a recipe file ------------------------------ */

static void quoted(struct buf *b, const char *s)
{
	buf_json(b, s, strlen(s));
}

static void add_function(struct buf *b, const struct canon *c)
{
	size_t i;

	switch (c->kind) {
	case RECIPE_FN:
		buf_fmt(b, "fn: %s\n", c->text);
		break;
	case RECIPE_RUN_SHELL:
		buf_str(b, "run: ");
		quoted(b, c->text);
		buf_str(b, "\n");
		break;
	case RECIPE_RUN_ARGV:
		buf_str(b, "run: [");
		for (i = 0; i < c->argc; i++) {
			buf_str(b, i ? ", " : "");
			quoted(b, c->argv[i]);
		}
		buf_str(b, "]\n");
		break;
	}
}

static void add_input(struct buf *b, const struct canon_input *in)
{
	char hex[ADDR_HEX];

	addr_hex(&in->addr, hex);
	buf_fmt(b, "  - {address: %s", hex);
	if (in->dir)
		buf_str(b, ", directory: true");
	if (in->executable)
		buf_str(b, ", executable: true");
	if (in->name) {
		buf_str(b, ", name: ");
		quoted(b, in->name);
	}
	if (in->path_len) {
		buf_str(b, ", path: ");
		buf_json(b, in->path, in->path_len);
	}
	buf_str(b, "}\n");
}

static void add_values(struct buf *b, const char *title,
		       const struct canon_value *v, size_t n)
{
	size_t i;

	if (n)
		buf_fmt(b, "%s:\n", title);
	for (i = 0; i < n; i++) {
		buf_fmt(b, "  %s: ", v[i].name);
		if (v[i].value)
			quoted(b, v[i].value);
		else
			buf_str(b, "null");
		buf_str(b, "\n");
	}
}

static void add_recipe(struct buf *b, const struct canon *c)
{
	char hex[ADDR_HEX];
	size_t i;

	add_function(b, c);
	buf_str(b, c->ninputs ? "in:\n" : "in: []\n");
	for (i = 0; i < c->ninputs; i++)
		add_input(b, &c->inputs[i]);
	add_values(b, "params", c->params, c->nparams);
	add_values(b, "env", c->env, c->nenv);
	if (c->ntools)
		buf_str(b, "tools:\n");
	for (i = 0; i < c->ntools; i++) {
		addr_hex(&c->tools[i].addr, hex);
		buf_fmt(b, "  %s: %s\n", c->tools[i].name, hex);
	}
}

static int print_recipe(const struct cat *c, const struct buf *bytes)
{
	CLEANUP(canon_decoded_freep) struct canon_decoded *d = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	int rc;

	rc = canon_decode(bytes->data, bytes->len, &d);
	if (rc >= 0) {
		add_recipe(&text, canon_get(d));
		rc = buf_err(&text);
	}
	if (rc < 0)
		return cannot(c, rc);
	print_buf(&text);
	return EXIT_SUCCESS;
}

/* Computations are kept beside their results. */
static int find_recipe(const struct cat *c, struct buf *ret)
{
	CLEANUP(history_close) struct history h = {0};
	int rc = history_open(c->path, &h);

	if (rc < 0)
		return rc;
	db_lock(h.db);
	rc = results_get_recipe(h.results, &c->addr, ret);
	db_unlock(h.db);
	return rc;
}

/* --- journals ------------------------------------------------------------ */

static int ignore_record(void *ctx, const void *record, size_t len)
{
	return 0;
}

static int print_journal(const struct cat *c, const struct buf *bytes)
{
	struct journal_info info;
	char prev[ADDR_HEX], clear[ADDR_HEX];
	int rc;

	rc = journal_decode(bytes->data, bytes->len, &info, ignore_record,
			    NULL);
	if (rc < 0)
		return fail("this journal object holds the values of another "
			    "one, not changes (--raw prints its bytes)");
	addr_hex(&info.prev, prev);
	addr_hex(&info.clear, clear);
	printf("changes: %" PRIu32 ", from @%" PRIu64 "%s\nbefore: %s\n"
	       "values: %s\n",
	       info.count, info.first_seq,
	       info.last ? "" : " (the transaction goes on in another)", prev,
	       clear);
	return EXIT_SUCCESS;
}

static int print_object(const struct cat *c)
{
	CLEANUP_BUF struct buf bytes = BUF_INIT;
	enum obj_kind kind;
	struct object_loc loc;
	int rc;

	rc = store_find(c->store, &c->addr, &loc);
	kind = rc >= 0 ? loc.kind : OBJ_RECIPE;
	if (rc == -ENOENT)
		rc = find_recipe(c, &bytes);
	else if (rc >= 0 && (c->raw || kind >= OBJ_RECIPE))
		rc = store_get(c->store, &c->addr, NULL, &bytes);
	if (rc < 0)
		return cannot(c, rc);
	if (c->raw) {
		print_buf(&bytes);
		return EXIT_SUCCESS;
	}
	switch (kind) {
	case OBJ_DIR:
		return print_dir(c);
	case OBJ_RECIPE:
		return print_recipe(c, &bytes);
	case OBJ_JOURNAL:
		return print_journal(c, &bytes);
	default:
		return print_blob(c);
	}
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP_FREE char *root = NULL, *store = NULL;
	struct cat c = {0};
	struct err err;
	int rc, status;

	while (next_option(&cmd_cat, cli, argc, argv) != -1)
		c.raw = true;
	count_operands(&cmd_cat, argc, 1, 1);
	if (!addr_parse(argv[optind], &c.addr))
		usage_error(&cmd_cat,
			    "\"%s\" is no address: that is 64 hex "
			    "digits, as deriva resolve and deriva "
			    "log print them",
			    argv[optind]);
	if (where_mount(cli, ".", &root, &store) < 0)
		return EXIT_FAILURE;
	c.path = store;
	if (store_open(store, 0, &c.store, &err) < 0)
		return fail("%s", err.msg);
	status = print_object(&c);
	rc = store_close(c.store);
	return rc < 0 ? fail("%s: %s", store, err_name(rc)) : status;
}

static const struct option longs[] = {
	{"raw", no_argument, NULL, 'r'},
	OPT_STORE,
	OPT_END,
};

const struct command cmd_cat = {
	.name = "cat",
	.args = "[--raw] [--store DIR] ADDRESS",
	.summary = "what the store has under an address",
	.help = "Prints a file's content; lists a directory; shows a "
		"computation as a recipe file\nwould say it. Every byte is "
		"checked against the address first.\n\n"
		"  --raw        the bytes of the object itself\n"
		"  --store DIR  of that store (default: that of the mount "
		"which "
		"holds the working\n"
		"               directory)\n",
	.shorts = "r",
	.longs = longs,
	.run = run,
};
