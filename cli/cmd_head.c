#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/output.h"
#include "cli/prover.h"
#include "core/clock.h"

static void print_json(const struct tile_head *h)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char time[48];

	time_format(h->time_ns, time, sizeof(time));
	buf_fmt(&b, "{\"size\":%" PRIu64 ",\"root\":\"", h->size);
	hex_add(&b, h->root.b, ADDR_LEN);
	buf_fmt(&b,
		"\",\"change\":%" PRIu64 ",\"time\":\"%s\",\"time_ns\":%" PRId64
		",\"key\":\"",
		h->seq, time, h->time_ns);
	hex_add(&b, h->key, sizeof(h->key));
	buf_str(&b, "\",\"signature\":\"");
	hex_add(&b, h->signature, sizeof(h->signature));
	buf_str(&b, "\"}\n");
	print_buf(&b);
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP(prover_done) struct prover p = {0};
	CLEANUP_BUF struct buf text = BUF_INIT;

	while (next_option(&cmd_head, cli, argc, argv) != -1)
		;
	count_operands(&cmd_head, argc, 0, 1);
	if (prover_open(cli, optind < argc ? argv[optind] : NULL, &p) < 0)
		return EXIT_FAILURE;
	if (cli->json) {
		print_json(&p.head);
	} else {
		head_text(&p.head, true, &text);
		print_buf(&text);
	}
	return EXIT_SUCCESS;
}

static const struct option longs[] = {OPT_JSON, OPT_STORE, OPT_END};

const struct command cmd_head = {
	.name = "head",
	.args = "[--json] [--store DIR] [PATH]",
	.summary = "the signed root of everything that was done",
	.help = "Makes everything durable, and prints the head of the store's "
		"log: how many\nrecords it has, the root of the Merkle tree "
		"over them, the last change, when\nthis was signed, the "
		"store's public key and the signature. Who keeps it can\nlater "
		"have it proved that nothing of what was done before was "
		"changed\n(deriva prove --since). deriva-proof(5) has the "
		"form.\n\n"
		"  --json       for programs\n"
		"  --store DIR  of that store (default: the mount which holds "
		"PATH, or the\n"
		"               working directory)\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
