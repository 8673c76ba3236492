#include "cli/command.h"

#include <errno.h>
#include <stdio.h>

#include "cli/explain.h"
#include "cli/output.h"
#include "cli/where.h"

static int complain_about(const char *name, int rc)
{
	switch (rc) {
	case -EEXIST:
		return fail("there is a snapshot %s already", name);
	case -EINVAL:
		return fail("%s cannot name a snapshot: it is a time already, "
			    "or has a / or an unprintable character in it",
			    name);
	default:
		return fail("%s: %s", name, err_name(rc));
	}
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP_PLACE struct place p = {0};
	struct where w;
	int rc, status = EXIT_SUCCESS;

	while (next_option(&cmd_snapshot, cli, argc, argv) != -1)
		;
	count_operands(&cmd_snapshot, argc, 1, 1);
	if (where_open(cli, &w) < 0)
		return EXIT_FAILURE;
	if (where_place(&w, w.root ? "/" : ".", true, &p) < 0) {
		status = EXIT_FAILURE;
	} else {
		rc = ctl_tell(p.root, "snapshot", argv[optind]);
		if (rc < 0)
			status = complain_about(argv[optind], rc);
	}
	return where_close(&w) ? EXIT_FAILURE : status;
}

static const struct option longs[] = {OPT_STORE, OPT_END};

const struct command cmd_snapshot = {
	.name = "snapshot",
	.args = "[--store DIR] NAME",
	.summary = "give this moment a name, and keep it",
	.help = "The tree as it is now is kept, whatever the setting for old "
		"versions says, and\ncan be read as .deriva/at/NAME. "
		".deriva/at lists the names.\n\n"
		"  --store DIR  of that store (default: that of the mount "
		"which "
		"holds the working\n"
		"               directory)\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
