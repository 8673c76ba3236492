#include "cli/command.h"

#include <errno.h>

#include "cli/explain.h"

static const char *why(int rc)
{
	switch (rc) {
	case -ENOENT:
		return "does not exist";
	default:
		return NULL;
	}
}

static int run(struct cli *cli, int argc, char **argv)
{
	return ctl_tell_all(&cmd_pin, "pin", why, cli, argc, argv);
}

static const struct option longs[] = {OPT_STORE, OPT_END};

const struct command cmd_pin = {
	.name = "pin",
	.args = "[--store DIR] PATH...",
	.summary = "never drop what a path holds",
	.help = "Of a derived file, what it holds is never dropped, now or "
		"later. Of a file, or\na directory with all below it, what it "
		"holds now is kept, whatever the setting\nfor old versions "
		"says; derived files below it are kept, too.\n\n"
		"  --store DIR  in that store, PATHs from its root\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
