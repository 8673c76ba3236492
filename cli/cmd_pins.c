#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/clock.h"

static void print_pin(const char *line)
{
	CLEANUP_BUF struct buf path = BUF_INIT, kind = BUF_INIT;
	uint64_t ns = 0, seq = 0;
	char time[48];

	if (json_string(line, "path", &path) < 0 ||
	    json_string(line, "kind", &kind) < 0 ||
	    json_u64(line, "time_ns", &ns) < 0 ||
	    json_u64(line, "change", &seq) < 0)
		return;
	time_format((int64_t)ns, time, sizeof(time));
	printf("%-8s @%-6" PRIu64 " %.19s  ", buf_cstr(&kind), seq, time);
	print_name(path.len ? buf_cstr(&path) : "/");
	putchar('\n');
}

static void print_pins(struct buf *text, bool json)
{
	char *rest = (char *)text->data, *line;
	const char *comma = "";

	if (json)
		putchar('[');
	while (rest && (line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		if (json)
			printf("%s%s", comma, line);
		else
			print_pin(line);
		comma = ",\n";
	}
	if (json)
		puts("]");
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_PLACE struct place p = {0};
	struct where w;
	int rc, status = EXIT_SUCCESS;

	while (next_option(&cmd_pins, cli, argc, argv) != -1)
		;
	count_operands(&cmd_pins, argc, 0, 0);
	if (where_open(cli, &w) < 0)
		return EXIT_FAILURE;
	rc = where_place(&w, w.root ? "/" : ".", true, &p);
	if (rc < 0) {
		status = EXIT_FAILURE;
	} else {
		rc = ctl_read(p.root, "pins", &text);
		if (rc < 0)
			status = fail("%s/.deriva/pins: %s", p.root,
				      err_name(rc));
		else
			print_pins(&text, cli->json);
	}
	return where_close(&w) ? EXIT_FAILURE : status;
}

static const struct option longs[] = {OPT_JSON, OPT_STORE, OPT_END};

const struct command cmd_pins = {
	.name = "pins",
	.args = "[--json] [--store DIR]",
	.summary = "what is pinned, since when",
	.help = "One line for each pin: what it is, the change at which it was "
		"made, when that\nwas, the path.\n\n"
		"  --json       for programs: a list of objects\n"
		"  --store DIR  of that store (default: that of the mount "
		"which "
		"holds the working\n"
		"               directory)\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
