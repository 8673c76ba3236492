#include "cli/figures.h"

#include <inttypes.h>
#include <stdio.h>

#include "cas/usage.h"
#include "cli/history.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/clock.h"
#include "core/settings.h"

static void add_u64(struct buf *b, const char *name, uint64_t v)
{
	buf_fmt(b, ",\"%s\":%" PRIu64, name, v);
}

static void add_seconds(struct buf *b, const char *name, int64_t ns)
{
	buf_fmt(b, ",\"%s\":%.6f", name, (double)ns / 1e9);
}

static void encode(struct buf *b, const char *store, const struct totals *ns,
		   const struct object_totals *o, const struct result_totals *r,
		   const struct usage *u, const struct settings *keep)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_str(b, "{\"version\":\"" DERIVA_VERSION "\",\"store\":");
	buf_json(b, store, strlen(store));
	add_u64(b, "disk_bytes", u->disk);
	add_u64(b, "pack_bytes", u->packs);
	add_u64(b, "database_bytes", u->database);
	add_u64(b, "kept_bytes", r->kept);
	add_u64(b, "files", ns->files);
	add_u64(b, "dirs", ns->dirs);
	add_u64(b, "bytes", ns->bytes);
	add_u64(b, "changes", ns->changes);
	add_u64(b, "versions", ns->versions);
	add_u64(b, "objects", o->objects);
	add_u64(b, "object_bytes", o->raw);
	add_u64(b, "stored_bytes", o->stored);
	add_u64(b, "packs", o->packs);
	add_u64(b, "results", r->results);
	add_u64(b, "failures", r->failures);
	add_u64(b, "derived_bytes", r->bytes);
	add_u64(b, "uses", r->uses);
	add_seconds(b, "cost_s", r->wall_ns);
	add_seconds(b, "saved_s", r->saved_ns);
	retention_format(&keep->retention, &text);
	buf_str(b, ",\"retention\":");
	buf_json(b, buf_cstr(&text), text.len);
	buf_str(b, "}\n");
}

static int read_rows(const struct cli *cli, const char *store, struct buf *ret)
{
	CLEANUP(history_close) struct history h = {0};
	struct object_totals objects;
	struct result_totals results;
	struct settings settings;
	struct totals names;
	struct usage usage;
	int rc;

	rc = history_open_at(cli, NULL, store, &h);
	if (rc < 0)
		return rc;
	db_lock(h.db);
	rc = ns_totals(h.ns, &names);
	if (rc >= 0)
		rc = results_totals(h.results, &results);
	if (rc >= 0)
		rc = objects_totals(h.objects, &objects);
	if (rc >= 0)
		rc = settings_load(h.db, &settings);
	db_unlock(h.db);
	if (rc >= 0)
		rc = usage_read(store, &usage);
	if (rc < 0) {
		complain("%s: %s", store, err_name(rc));
		return rc;
	}
	encode(ret, store, &names, &objects, &results, &usage, &settings);
	return buf_err(ret);
}

int figures_read(const struct cli *cli, struct buf *ret)
{
	CLEANUP_FREE char *root = NULL, *store = NULL;
	int rc;

	rc = where_mount(cli, ".", &root, &store);
	if (rc < 0)
		return rc;
	if (!root)
		return read_rows(cli, store, ret);
	rc = ctl_read(root, "status", ret);
	if (rc < 0)
		complain("%s/.deriva/status: %s", root, err_name(rc));
	return rc;
}

/* --- for people ---------------------------------------------------------- */

static uint64_t number(const char *json, const char *key)
{
	uint64_t v = 0;

	return json_u64(json, key, &v) < 0 ? 0 : v;
}

static const char *bytes(const char *json, const char *key, char text[32])
{
	size_format(number(json, key), text, 32);
	return text;
}

static const char *seconds(const char *json, const char *key, char text[32])
{
	double v = 0;

	if (json_number(json, key, &v) < 0)
		v = 0;
	duration_format((int64_t)(v * 1e9), text, 32);
	return text;
}

/* "1 pack", "2 packs" */
static const char *count(const char *json, const char *key, const char *one,
			 const char *many, char text[48])
{
	uint64_t n = number(json, key);

	snprintf(text, 48, "%" PRIu64 " %s", n, n == 1 ? one : many);
	return text;
}

static void print_retention(const char *json)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (json_string(json, "retention", &text) < 0)
		return;
	printf("keeps     ");
	print_name(buf_cstr(&text));
	putchar('\n');
}

static void print_mount(const char *json)
{
	CLEANUP_BUF struct buf dir = BUF_INIT;
	char since[48];

	if (json_string(json, "mountpoint", &dir) < 0)
		return;
	time_format((int64_t)number(json, "started_ns"), since, sizeof(since));
	printf("mounted   ");
	print_name(buf_cstr(&dir));
	printf(" (pid %" PRIu64 ", since %.19s)\n", number(json, "pid"), since);
	printf("jobs      %" PRIu64 " of %" PRIu64 " running, %" PRIu64
	       " waiting\n",
	       number(json, "running"), number(json, "jobs"),
	       number(json, "waiting"));
}

int figures_print(const char *json)
{
	CLEANUP_BUF struct buf store = BUF_INIT;
	char a[32], b[32], c[48];
	int rc;

	rc = json_string(json, "store", &store);
	if (rc < 0)
		return fail("the status of the mount cannot be understood (is "
			    "it of another version?)");
	printf("store     ");
	print_name(buf_cstr(&store));
	putchar('\n');
	print_mount(json);
	printf("files     %" PRIu64 " in %s, %s\n", number(json, "files"),
	       count(json, "dirs", "directory", "directories", c),
	       bytes(json, "bytes", a));
	printf("history   %s, ",
	       count(json, "changes", "change", "changes", c));
	printf("%s\n", count(json, "versions", "version", "versions", c));
	print_retention(json);
	printf("objects   %" PRIu64 ", %s, kept in %s in %s\n",
	       number(json, "objects"), bytes(json, "object_bytes", a),
	       bytes(json, "stored_bytes", b),
	       count(json, "packs", "pack", "packs", c));
	printf("disk      %s", bytes(json, "disk_bytes", a));
	printf(": packs %s", bytes(json, "pack_bytes", a));
	printf(", database %s\n", bytes(json, "database_bytes", a));
	printf("results   %" PRIu64 ", %s; %s\n", number(json, "results"),
	       bytes(json, "derived_bytes", a),
	       count(json, "failures", "failure", "failures", c));
	printf("work      %s spent computing, %s saved by finding %s again\n",
	       seconds(json, "cost_s", a), seconds(json, "saved_s", b),
	       count(json, "uses", "result", "results", c));
	return EXIT_SUCCESS;
}
