#include "cli/command.h"

#include "cli/attrs.h"
#include "cli/explain.h"
#include "cli/output.h"
#include "cli/where.h"

static int show(const struct where *w, const char *path)
{
	CLEANUP_PLACE struct place p = {0};
	enum file_state state;
	int rc;

	if (where_place(w, path, true, &p) < 0)
		return EXIT_FAILURE;
	rc = ctl_print(&p, "output");
	if (rc >= 0)
		return EXIT_SUCCESS;
	if (rc == -ENOENT && p.is_dir)
		return fail("%s is a directory; no run printed anything", path);
	if (rc == -ENOENT && strstr(p.path, "/.deriva/"))
		return fail("%s: what runs printed is kept for the present; "
			    "name the file outside of .deriva",
			    path);
	if (rc == -ENOENT && attr_state(p.path, &state) >= 0)
		return fail("%s is a source file; no run printed anything",
			    path);
	return fail("%s: %s", path, err_name(rc));
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct where w;
	int status;

	while (next_option(&cmd_output, cli, argc, argv) != -1)
		;
	count_operands(&cmd_output, argc, 1, 1);
	if (where_open(cli, &w) < 0)
		return EXIT_FAILURE;
	status = show(&w, argv[optind]);
	return where_close(&w) ? EXIT_FAILURE : status;
}

static const struct option longs[] = {OPT_STORE, OPT_END};

const struct command cmd_output = {
	.name = "output",
	.args = "[--store DIR] PATH",
	.summary = "what a derived file's last run printed",
	.help = "Prints what the command wrote to standard error in the run "
		"that gave the file\nits present content, or failed.\n\n"
		"  --store DIR  in that store, PATH from its root\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
