#include "cli/command.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/attrs.h"
#include "cli/explain.h"
#include "cli/history.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/clock.h"

static const char *verb(int op)
{
	switch (op) {
	case NS_OP_CREATE:
		return "made";
	case NS_OP_WRITE:
		return "written";
	case NS_OP_LINK:
		return "linked there";
	case NS_OP_RENAME:
		return "moved there";
	default:
		return NULL; /* the content is not from it */
	}
}

static void print_origin(const char *shown, const struct events *events)
{
	const struct event *e;
	char time[48];
	size_t i;

	print_name(shown);
	printf(" is a source file");
	for (i = events->count; i > 0; i--) {
		e = &events->list[i - 1];
		if (e->kind != EVENT_VERSION || !verb(e->change.op))
			continue;
		time_format(e->time_ns, time, sizeof(time));
		printf(", %s by ", verb(e->change.op));
		print_name(e->change.program[0] ? e->change.program
						: "a program without name");
		printf(" (uid %u) at %s (change @%" PRIu64 ")", e->change.uid,
		       time, e->seq);
		break;
	}
	putchar('\n');
}

static int explain_source(const char *shown, const struct place *p)
{
	CLEANUP(history_close) struct history h = {0};
	CLEANUP(events_done) struct events events = {0};
	CLEANUP_FREE char *root = NULL, *store = NULL;
	const struct cli here = {0};
	const char *name;
	uint64_t dir;
	int rc;

	if (where_mount(&here, p->root, &root, &store) < 0 ||
	    history_open_at(&here, root, store, &h) < 0)
		return EXIT_FAILURE;
	db_lock(h.db);
	rc = history_find(&h, p->rel, &dir, &name);
	if (rc >= 0)
		rc = history_events(&h, dir, name, &events);
	db_unlock(h.db);
	if (rc < 0)
		return fail("%s: %s", shown, err_name(rc));
	print_origin(shown, &events);
	return EXIT_SUCCESS;
}

static int explain(const struct where *w, const char *path)
{
	CLEANUP_PLACE struct place p = {0};
	enum file_state state;
	int rc;

	if (where_place(w, path, true, &p) < 0)
		return EXIT_FAILURE;
	rc = ctl_print(&p, "why");
	if (rc != -ENOENT)
		return rc < 0 ? fail("%s: %s", path, err_name(rc)) : rc;
	if (!p.is_dir && strstr(p.path, "/.deriva/"))
		return fail("%s: explanations are of the present; name the "
			    "file outside of .deriva",
			    path);
	rc = p.is_dir ? -EISDIR : attr_state(p.path, &state);
	if (rc == -EISDIR)
		return fail("%s is a directory; only files have a story", path);
	if (rc < 0)
		return fail("%s: %s", path, err_name(rc));
	return explain_source(path, &p);
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct where w;
	int status;

	while (next_option(&cmd_why, cli, argc, argv) != -1)
		;
	count_operands(&cmd_why, argc, 1, 1);
	if (where_open(cli, &w) < 0)
		return EXIT_FAILURE;
	status = explain(&w, argv[optind]);
	return where_close(&w) ? EXIT_FAILURE : status;
}

static const struct option longs[] = {OPT_STORE, OPT_END};

const struct command cmd_why = {
	.name = "why",
	.args = "[--store DIR] PATH",
	.summary = "what made a file, from what, and why it ran",
	.help = "Says which recipe a derived file comes from, its inputs, what "
		"it cost and why it\nran the last time; of a source file, who "
		"wrote it and when.\n\n"
		"  --store DIR  in that store, PATH from its root\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
