#include "cli/command.h"

#include <errno.h>

#include "cli/explain.h"

static const char *why(int rc)
{
	switch (rc) {
	case -ENODATA:
		return "was never computed, or failed: there is nothing to "
		       "drop";
	case -ENOTUNIQ:
		return "is not reproducible (deriva verify): its bytes could "
		       "not be made again";
	case -EBUSY:
		return "is pinned: deriva unpin lets go of it";
	default:
		return NULL;
	}
}

static int run(struct cli *cli, int argc, char **argv)
{
	return ctl_tell_all(&cmd_drop, "drop", why, cli, argc, argv);
}

static const struct option longs[] = {OPT_STORE, OPT_END};

const struct command cmd_drop = {
	.name = "drop",
	.args = "[--store DIR] PATH...",
	.summary = "let go of the bytes of a result",
	.help = "The bytes of what a derived file holds are not kept any more; "
		"deriva gc frees\ntheir space. Its size and address stay "
		"known. Who opens it next computes it\nagain; when that "
		"gives another content, the log says so.\n\n"
		"  --store DIR  in that store, PATHs from its root\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
