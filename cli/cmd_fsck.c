#include "cli/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cas/fsck.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/where.h"
#include "core/clock.h"

#define OBJECTS_SHOWN 3

struct run {
	struct progress progress;
	char doing[32];
	bool json, any;
	struct buf row;
};

/* --- for people ------------------------------------------------------------
 */

static void add_place(struct buf *b, const struct fsck_finding *f)
{
	char hex[ADDR_HEX];

	switch (f->kind) {
	case FSCK_OBJECT:
		addr_hex(f->addr, hex);
		if (*f->where)
			buf_fmt(b, "packs/%s: offset %" PRIu64 ": ", f->where,
				f->offset);
		break;
	case FSCK_PACK:
		buf_fmt(b, "packs/%s: ", f->where);
		break;
	case FSCK_JOURNAL:
		if (*f->where)
			buf_fmt(b, "packs/%s: offset %" PRIu64 ": ", f->where,
				f->offset);
		break;
	case FSCK_FILE:
		buf_fmt(b, "%s@%" PRIu64 ": ", f->where, f->change);
		break;
	default:
		if (*f->where)
			buf_fmt(b, "%s: ", f->where);
	}
}

static void add_objects(struct buf *b, const struct fsck_finding *f)
{
	char hex[ADDR_HEX];
	size_t i;

	if ((f->kind == FSCK_OBJECT || f->kind == FSCK_JOURNAL) && f->addr) {
		addr_hex(f->addr, hex);
		buf_fmt(b, " (%s)", hex);
	}
	for (i = 0; i < f->nobjects && i < OBJECTS_SHOWN; i++) {
		addr_hex(&f->objects[i], hex);
		buf_fmt(b, "%s%s", i ? ", " : " (needs ", hex);
	}
	if (f->nobjects > OBJECTS_SHOWN)
		buf_fmt(b, " and %zu more", f->nobjects - OBJECTS_SHOWN);
	if (f->nobjects)
		buf_str(b, ")");
}

static const char *const states[] = {
	[FSCK_DAMAGED] = "damaged",
	[FSCK_HEALED] = "healed",
	[FSCK_LEFT] = "left",
	[FSCK_NOTE] = "note",
};

static void print_finding(struct buf *b, const struct fsck_finding *f)
{
	buf_fmt(b, "%-8s ", states[f->state]);
	add_place(b, f);
	buf_str(b, f->what);
	add_objects(b, f);
	print_name(buf_cstr(b));
	putchar('\n');
}

/* --- for programs ----------------------------------------------------------
 */

static const char *const kinds[] = {
	[FSCK_OBJECT] = "object", [FSCK_FILE] = "file",
	[FSCK_RESULT] = "result", [FSCK_PACK] = "pack",
	[FSCK_ROWS] = "rows",	  [FSCK_JOURNAL] = "journal",
	[FSCK_STORE] = "store",
};

static void json_address(struct buf *b, const char *key, const struct addr *a)
{
	char hex[ADDR_HEX];

	addr_hex(a, hex);
	buf_fmt(b, ",\"%s\":\"%s\"", key, hex);
}

static void json_finding(struct buf *b, const struct fsck_finding *f)
{
	bool path = f->kind == FSCK_FILE || f->kind == FSCK_RESULT;
	bool lies = f->kind == FSCK_OBJECT || f->kind == FSCK_JOURNAL;
	char hex[ADDR_HEX];
	size_t i;

	buf_fmt(b, "{\"kind\":\"%s\",\"state\":\"%s\"", kinds[f->kind],
		states[f->state]);
	if (*f->where) {
		buf_fmt(b, ",\"%s\":",
			path			       ? "path"
			: lies || f->kind == FSCK_PACK ? "pack"
						       : "where");
		buf_json(b, f->where, strlen(f->where));
	}
	if (lies && *f->where)
		buf_fmt(b, ",\"offset\":%" PRIu64, f->offset);
	if (f->addr)
		json_address(b, f->kind == FSCK_RESULT ? "recipe" : "address",
			     f->addr);
	if (f->change)
		buf_fmt(b, ",\"change\":%" PRIu64, f->change);
	if (f->kind == FSCK_FILE)
		buf_fmt(b, ",\"now\":%s", f->now ? "true" : "false");
	if (f->nobjects)
		buf_str(b, ",\"objects\":[");
	for (i = 0; i < f->nobjects; i++) {
		addr_hex(&f->objects[i], hex);
		buf_fmt(b, "%s\"%s\"", i ? "," : "", hex);
	}
	buf_fmt(b, "%s,\"what\":", f->nobjects ? "]" : "");
	buf_json(b, f->what, strlen(f->what));
	buf_str(b, "}");
}

static void found(void *ctx, const struct fsck_finding *f)
{
	struct run *r = ctx;

	progress_clear(&r->progress);
	buf_reset(&r->row);
	if (!r->json) {
		print_finding(&r->row, f);
		return;
	}
	buf_str(&r->row, r->any ? ",\n" : "");
	json_finding(&r->row, f);
	print_buf(&r->row);
	r->any = true;
}

static void on_progress(void *ctx, const char *doing, uint64_t done,
			uint64_t total)
{
	struct run *r = ctx;

	snprintf(r->doing, sizeof(r->doing), "%s", doing);
	progress_part(&r->progress, r->doing, done, total);
}

/* --- the command -----------------------------------------------------------
 */

static void print_sums(const struct fsck_sums *s, bool repair)
{
	char bytes[32];

	size_format(s->bytes, bytes, sizeof(bytes));
	printf("%" PRIu64 " packs (%s), %" PRIu64 " objects, %" PRIu64
	       " changes, %" PRIu64 " versions, %" PRIu64 " results: ",
	       s->packs, bytes, s->objects, s->changes, s->versions,
	       s->results);
	if (!s->damaged)
		puts("all good");
	else if (!repair)
		puts("damaged (deriva fsck --repair heals what can be "
		     "healed)");
	else if (s->left)
		puts("something could not be healed");
	else
		puts("healed");
}

static void json_sums(const struct fsck_sums *s, bool clean)
{
	printf("],\n\"packs\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"objects\":%" PRIu64 ",\"changes\":%" PRIu64
	       ",\"versions\":%" PRIu64 ",\"results\":%" PRIu64
	       ",\"damaged\":%" PRIu64 ",\"healed\":%" PRIu64
	       ",\"left\":%" PRIu64 ",\"clean\":%s}\n",
	       s->packs, s->bytes, s->objects, s->changes, s->versions,
	       s->results, s->damaged, s->healed, s->left,
	       clean ? "true" : "false");
}

/* As deriva build does, of what has lost its bytes; what fails is said. */
static void compute_again(const char *store, const struct buf *names)
{
	struct cli cli = {.store = store};
	CLEANUP_FREE char **argv = NULL;
	const char *p = buf_cstr(names), *end = p + names->len;
	int argc = 0;

	argv = calloc(names->len + 4, sizeof(char *));
	if (!argv)
		return;
	argv[argc++] = (char *)(uintptr_t) "build";
	argv[argc++] = (char *)(uintptr_t) "--";
	for (; p < end; p += strlen(p) + 1)
		argv[argc++] = (char *)(uintptr_t)p;
	optind = 0; /* getopt starts anew */
	cmd_build.run(&cli, argc, argv);
}

static int check_store(const char *store, struct run *r, bool repair)
{
	struct fsck_host host = {r, found, on_progress};
	CLEANUP(fsck_closep) struct fsck *f = NULL;
	struct fsck_sums s;
	struct err err = {{0}};
	int rc, done = repair ? fsck_heal_layout(store, &err) : 0;

	if (done < 0 || fsck_open(store, &host, &f, &err) < 0)
		return fail("%s", err.msg);
	if (r->json)
		printf("{\"findings\":[");
	fsck_tell_layout(&host, done);
	rc = fsck_check(f);
	fsck_sums(f, &s);
	if (rc >= 0 && repair && s.damaged) {
		rc = fsck_repair(f, &err);
		if (rc >= 0 && fsck_derived(f)->len)
			compute_again(store, fsck_derived(f));
		if (rc >= 0)
			rc = fsck_left(f);
		fsck_sums(f, &s);
	}
	progress_clear(&r->progress);
	if (r->json)
		json_sums(&s, rc >= 0 && !(repair ? s.left : s.damaged));
	if (rc < 0 && err.msg[0])
		return fail("%s", err.msg);
	if (rc < 0)
		return fail("%s: the check could not be finished: %s", store,
			    err_name(rc));
	if (!r->json)
		print_sums(&s, repair);
	return (repair ? s.left : s.damaged) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A store that is damaged may be none by the looks of it: with --store nothing
 * is asked of it here. */
static int find_store(const struct cli *cli, char **ret)
{
	CLEANUP_FREE char *root = NULL;

	if (!cli->store)
		return where_mount(cli, ".", &root, ret);
	*ret = strdup(cli->store);
	return *ret ? 0 : -ENOMEM;
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP_FREE char *store = NULL;
	struct run r = {.any = false};
	bool repair = false;
	int status;

	while (next_option(&cmd_fsck, cli, argc, argv) != -1)
		repair = true;
	count_operands(&cmd_fsck, argc, 0, 0);
	if (find_store(cli, &store) < 0)
		return EXIT_FAILURE;
	r.json = cli->json;
	progress_init(&r.progress, 0);
	status = check_store(store, &r, repair);
	buf_done(&r.row);
	return status;
}

static const struct option longs[] = {
	{"repair", no_argument, NULL, 'r'},
	OPT_JSON,
	OPT_STORE,
	OPT_END,
};

const struct command cmd_fsck = {
	.name = "fsck",
	.args = "[--repair] [--json] [--store DIR]",
	.summary = "check every byte and row of a store, and heal it",
	.help = "Reads every pack, checks every object against its address, "
		"the "
		"index against the\npacks, and the rows against each other and "
		"against the journals. Each damaged\nobject is named, and the "
		"paths, versions and results that need it.\n\n"
		"  --repair     heal: take another copy, compute results "
		"again, "
		"make the database\n"
		"               anew from the packs; what is left is listed. "
		"Nothing may use the\n"
		"               store meanwhile\n"
		"  --json       for programs\n"
		"  --store DIR  that store (default: that of the mount which "
		"holds the working\n"
		"               directory)\n\n"
		"Exit status: 0 all is good (or healed), 1 damage was found "
		"(or "
		"is left), 2 wrong\nusage.\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
