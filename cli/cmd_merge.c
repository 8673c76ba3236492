#include "cli/command.h"

#include <stdio.h>

#include "cli/joining.h"
#include "cli/output.h"
#include "cli/where.h"

static int merge(const char *path, const struct join *j, bool json)
{
	struct join_result r = {0};
	struct store *s;
	struct err err;
	int rc, end, status;

	if (store_open(path, 0, &s, &err) < 0)
		return fail("%s", err.msg);
	rc = join_branches(s, j, &r, &err);
	end = store_close(s);
	if (rc < 0)
		return fail("%s", err.msg);
	joining_print(j, &r, json);
	status = r.notes.conflicts ? EXIT_FAILURE : finish_output();
	merge_notes_done(&r.notes);
	return end < 0 ? fail("%s: %s", path, err_name(end)) : status;
}

/* What a mount of the branch that comes in has gathered. */
static int commit_source(const char *store, const char *from)
{
	CLEANUP_FREE char *root = NULL, *same = NULL;
	struct cli c = {.store = store, .branch = from};

	return where_mount(&c, NULL, &root, &same);
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP_FREE char *root = NULL, *store = NULL;
	CLEANUP_BUF struct buf into = BUF_INIT;
	struct join j = {.op = NS_OP_MERGE, .by = joining_by("deriva merge")};
	int c, n, rc;

	while ((c = next_option(&cmd_merge, cli, argc, argv)) != -1)
		if (c == 'n')
			j.dry = true;
		else
			j.message = optarg;
	n = count_operands(&cmd_merge, argc, 1, 2);
	if (cli->store && n > 1)
		usage_error(&cmd_merge, "PATH and --store: one of them");
	j.from = argv[optind];
	if (where_mount(cli, n > 1 ? argv[optind + 1] : ".", &root, &store) < 0)
		return EXIT_FAILURE;
	if (cli->store) {
		buf_str(&into, "main");
	} else {
		rc = joining_branch(root, &into);
		if (rc < 0)
			return fail("%s/.deriva/status: %s", root,
				    err_name(rc));
	}
	j.into = buf_cstr(&into);
	if (commit_source(store, j.from) < 0)
		return EXIT_FAILURE;
	return merge(store, &j, cli->json);
}

static const struct option longs[] = {
	{"dry-run", no_argument, NULL, 'n'},
	{"message", required_argument, NULL, 'm'},
	OPT_JSON,
	OPT_STORE,
	OPT_END,
};

const struct command cmd_merge = {
	.name = "merge",
	.args = "[-n] [-m MESSAGE] [--json] NAME [PATH | --store DIR]",
	.summary = "bring what a branch changed into this one",
	.help = "What branch NAME changed since it was made, or merged last, "
		"comes\n"
		"into the branch that the mount of PATH (default: of the "
		"working\n"
		"directory) shows, as one change. What only one side changed "
		"is\n"
		"taken; a text that both changed is merged by lines; renames "
		"are\n"
		"followed. What cannot be merged stays as it is here, and what "
		"NAME\n"
		"has lies beside it as FILE.NAME~CHANGE: that is a conflict, "
		"and\n"
		"the exit status is 1 then.\n"
		"\n"
		"  -n, --dry-run  say what would be done\n"
		"  -m MESSAGE     kept with the change (default: merge NAME)\n"
		"  --json         for programs: one object\n"
		"  --store DIR    into main of that store\n",
	.shorts = "nm:",
	.longs = longs,
	.run = run,
};
