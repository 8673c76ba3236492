#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cas/store.h"
#include "cli/figures.h"
#include "cli/output.h"
#include "cli/walk.h"
#include "core/clock.h"
#include "core/map.h"

struct row {
	const struct item *item;
	bool has_size, has_cost;
	uint64_t size;
	double cost;
};

static int row_read(const struct item *it, struct row *ret)
{
	struct row r = {.item = it};
	int rc;

	rc = known_size(it->path, it->state, &r.size);
	r.has_size = rc >= 0;
	if (rc >= 0 || rc == -ENODATA)
		rc = attr_cost(it->path, &r.cost);
	r.has_cost = rc >= 0;
	if (rc < 0 && rc != -ENODATA)
		return rc;
	*ret = r;
	return 0;
}

struct sums {
	uint64_t count[STATES], size;
	double cost;
	struct map *runs; /* whose cost is in it */
};

/* A run that made several files, or that several names share, took its time
 * once. */
static bool is_new_run(struct sums *s, const struct row *r)
{
	CLEANUP_BUF struct buf run = BUF_INIT;
	void *known = NULL;

	if (!r->has_cost || attr_get(r->item->path, "recipe", &run) < 0 ||
	    !run.len || !s->runs)
		return true;
	return map_put(s->runs, run.data, run.len, s, &known) < 0 || !known;
}

static void sum(struct sums *s, const struct row *r)
{
	s->count[r->item->state]++;
	s->size += r->size;
	if (is_new_run(s, r))
		s->cost += r->cost;
}

static void print_columns(const char *state, bool has_size, uint64_t size,
			  bool has_cost, double cost)
{
	char bytes[32] = "-", time[32] = "-";

	if (has_size)
		size_format(size, bytes, sizeof(bytes));
	if (has_cost)
		duration_format((int64_t)(cost * 1e9), time, sizeof(time));
	printf("%-8s %10s %10s  ", state, bytes, time);
}

static void print_row(const struct row *r)
{
	print_columns(state_name(r->item->state), r->has_size, r->size,
		      r->has_cost, r->cost);
	print_name(r->item->shown);
	putchar('\n');
}

static void print_sums(const struct sums *s, size_t count)
{
	const char *comma = "";
	int i;

	print_columns("total", true, s->size, true, s->cost);
	printf("%zu files: ", count);
	for (i = 0; i < STATES; i++) {
		if (!s->count[i])
			continue;
		printf("%s%" PRIu64 " %s", comma, s->count[i],
		       state_name((enum file_state)i));
		comma = ", ";
	}
	putchar('\n');
}

static void json_row(struct buf *b, const struct row *r)
{
	CLEANUP_BUF struct buf error = BUF_INIT;
	const struct item *it = r->item;

	buf_str(b, "{\"path\":");
	buf_json(b, it->rel, strlen(it->rel));
	buf_fmt(b, ",\"state\":\"%s\"", state_name(it->state));
	if (r->has_size)
		buf_fmt(b, ",\"size\":%" PRIu64, r->size);
	if (r->has_cost)
		buf_fmt(b, ",\"cost_s\":%.6f", r->cost);
	if (attr_get(it->path, "error", &error) >= 0 && error.len) {
		buf_str(b, ",\"error\":");
		buf_json(b, buf_cstr(&error), error.len);
	}
	buf_str(b, "}");
}

static int show_files(const struct items *items, bool json)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct sums sums = {.runs = map_new()};
	int rc, status = EXIT_SUCCESS;
	struct row row;
	size_t i;

	if (json)
		putchar('[');
	for (i = 0; i < items->count; i++) {
		rc = row_read(&items->list[i], &row);
		if (rc < 0) {
			status = fail("%s: %s", items->list[i].shown,
				      err_name(rc));
			row = (struct row){.item = &items->list[i]};
		}
		if (json) {
			buf_reset(&out);
			buf_str(&out, i ? ",\n" : "");
			json_row(&out, &row);
			print_buf(&out);
		} else {
			print_row(&row);
		}
		sum(&sums, &row);
	}
	if (json)
		puts("]");
	else if (items->count > 1)
		print_sums(&sums, items->count);
	map_free(sums.runs);
	return status;
}

static int files(struct cli *cli, int argc, char **argv)
{
	struct items items = {0};
	struct where where;
	int i, status = EXIT_SUCCESS;

	if (where_open(cli, &where) < 0)
		return EXIT_FAILURE;
	for (i = optind; i < argc; i++)
		if (items_add(&items, &where, argv[i]) < 0)
			status = EXIT_FAILURE;
	if (show_files(&items, cli->json))
		status = EXIT_FAILURE;
	items_done(&items);
	return where_close(&where) ? EXIT_FAILURE : status;
}

/* With a mount its own figures, else those that the store's rows give. */
static int whole(const struct cli *cli)
{
	CLEANUP_BUF struct buf json = BUF_INIT;
	int rc;

	rc = figures_read(cli, &json);
	if (rc < 0)
		return EXIT_FAILURE;
	if (!cli->json)
		return figures_print(buf_cstr(&json));
	while (json.len && json.data[json.len - 1] == '\n')
		json.len--;
	buf_str(&json, "\n");
	print_buf(&json);
	return EXIT_SUCCESS;
}

static int run(struct cli *cli, int argc, char **argv)
{
	while (next_option(&cmd_status, cli, argc, argv) != -1)
		;
	if (count_operands(&cmd_status, argc, 0, -1))
		return files(cli, argc, argv);
	return whole(cli);
}

static const struct option longs[] = {OPT_JSON, OPT_STORE, OPT_END};

const struct command cmd_status = {
	.name = "status",
	.args = "[--json] [--store DIR] [PATH...]",
	.summary = "state, size and cost of derived files, or of the store",
	.help = "With PATHs: the state (fresh, stale, new, running, failed, "
		"dropped, blocked),\nsize and cost of each derived file, and "
		"of all of them below a directory. \nNothing is computed for "
		"it: what is not known shows as \"-\".\nThe total has the "
		"cost of each run once, however many files it made.\n\n"
		"Without: figures of the store whose mount holds the working "
		"directory.\n\n"
		"  --json       for programs: a list of files, or one object\n"
		"  --store DIR  of that store, PATHs from its root\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
