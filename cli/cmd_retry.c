#include "cli/command.h"

#include "cli/explain.h"

static int run(struct cli *cli, int argc, char **argv)
{
	return ctl_tell_all(&cmd_retry, "retry", NULL, cli, argc, argv);
}

static const struct option longs[] = {OPT_STORE, OPT_END};

const struct command cmd_retry = {
	.name = "retry",
	.args = "[--store DIR] PATH...",
	.summary = "forget that a computation failed",
	.help = "A failure is remembered until something it depends on "
		"changes. This forgets it:\nwho reads the file next computes "
		"it again.\n\n"
		"  --store DIR  in that store, PATHs from its root\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
