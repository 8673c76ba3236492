#include "cli/command.h"

#include <errno.h>

#include "cli/explain.h"

static const char *why(int rc)
{
	switch (rc) {
	case -ENOENT:
		return "is not pinned (deriva pins lists what is)";
	default:
		return NULL;
	}
}

static int run(struct cli *cli, int argc, char **argv)
{
	return ctl_tell_all(&cmd_unpin, "unpin", why, cli, argc, argv);
}

static const struct option longs[] = {OPT_STORE, OPT_END};

const struct command cmd_unpin = {
	.name = "unpin",
	.args = "[--store DIR] PATH...",
	.summary = "let go of a pin",
	.help = "What the path holds is treated like everything else again."
		"\n\n"
		"  --store DIR  in that store, PATHs from its root\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
