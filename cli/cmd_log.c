#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/attrs.h"
#include "cli/gone.h"
#include "cli/history.h"
#include "cli/moment.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/clock.h"
#include "recipes/eval.h"

struct log {
	struct history h;
	struct buf line; /* of one event */
	bool json, tree, follow;
	const char *since;
};

/* What was done; of results computed, found or failed. */
static const char *event_op(const struct event *e)
{
	if (e->kind != EVENT_RESULT)
		return e->set ? e->set : ns_op_name(e->change.op);
	if (e->derived.error)
		return "failed";
	return e->derived.ran ? "computed" : "found";
}

/* --- for people ---------------------------------------------------------- */

static void add_clean(struct buf *b, const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			buf_fmt(b, "\\%03o", (unsigned char)*s);
		else
			buf_add(b, s, 1);
}

static void add_who(struct buf *b, const struct ns_change *c)
{
	add_clean(b, c->program[0] ? c->program : "?");
	buf_fmt(b, " (uid %u)", c->uid);
	if (c->message[0]) {
		buf_str(b, " \"");
		add_clean(b, c->message);
		buf_str(b, "\"");
	}
}

static void add_content(struct log *l, const struct ns_attr *attr, uint64_t seq)
{
	CLEANUP_BUF struct buf target = BUF_INIT;
	char hex[ADDR_HEX];

	if (S_ISREG(attr->mode)) {
		addr_hex(&attr->addr, hex);
		buf_fmt(&l->line, "  %s", hex);
	} else if (S_ISLNK(attr->mode) &&
		   ns_readlink(l->h.ns, seq, attr->ino, &target) >= 0) {
		buf_str(&l->line, "  -> ");
		add_clean(&l->line, buf_cstr(&target));
	}
}

static void add_result(struct log *l, const struct derived *d)
{
	struct result r;
	char time[32], hex[ADDR_HEX];
	bool known = results_get(l->h.results, &d->recipe, &r) >= 0;

	if (d->ran && known) {
		duration_format(r.wall_ns, time, sizeof(time));
		buf_fmt(&l->line, "in %s", time);
	} else {
		buf_str(&l->line, d->ran ? "run" : "known already");
	}
	if (d->error) {
		buf_str(&l->line, "  ");
		add_clean(&l->line, known && r.message[0] ? r.message
							  : err_name(d->error));
		return;
	}
	addr_hex(&d->addr, hex);
	buf_fmt(&l->line, "  %s", hex);
}

/* What caused a result: lines of "because: ...", as a list of the rest of them.
 */
static int causes(struct log *l, const struct derived *d, struct buf *text,
		  int (*fn)(struct log *l, const char *cause, unsigned i))
{
	char *rest, *line;
	unsigned i = 0;
	int rc = why_because(l->h.results, l->h.observed, d, text);

	buf_u8(text, '\0');
	if (rc >= 0)
		rc = buf_err(text);
	rest = (char *)text->data;
	while (rc >= 0 && (line = strsep(&rest, "\n")))
		if (!strncmp(line, "because: ", 9))
			rc = fn(l, line + 9, i++);
	return rc;
}

static int add_cause(struct log *l, const char *cause, unsigned i)
{
	buf_str(&l->line, i ? "; " : "  because ");
	add_clean(&l->line, cause);
	return buf_err(&l->line);
}

static void add_causes(struct log *l, const struct derived *d)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	int rc = causes(l, d, &text, add_cause);

	if (rc < 0)
		buf_fmt(&l->line, "  because: %s", err_name(rc));
}

/* Where it moved, and whose line it is in a log of many. */
static void add_paths(struct log *l, const struct event *e)
{
	if (e->path) {
		buf_str(&l->line, "  ");
		add_clean(&l->line, *e->path ? e->path : "/");
	}
	if (e->other) {
		buf_str(&l->line, e->kind == EVENT_GONE ? "  to " : "  from ");
		add_clean(&l->line, e->other);
	}
}

static bool event_size(const struct event *e, uint64_t *ret)
{
	if (e->kind == EVENT_RESULT) {
		*ret = e->derived.size;
		return !e->derived.error;
	}
	*ret = e->attr.size;
	return e->kind == EVENT_VERSION && !S_ISDIR(e->attr.mode);
}

static void format_text(struct log *l, const struct event *e)
{
	char time[48], size[32] = "-";
	uint64_t bytes;

	time_format(e->time_ns, time, sizeof(time));
	if (event_size(e, &bytes))
		size_format(bytes, size, sizeof(size));
	buf_fmt(&l->line, "@%-6" PRIu64 " %.23s  %-8s %10s  ", e->seq, time,
		event_op(e), size);
	if (e->kind == EVENT_RESULT)
		add_result(l, &e->derived);
	else
		add_who(&l->line, &e->change);
	if (e->kind == EVENT_VERSION && e->set && !strcmp(e->set, "mode"))
		buf_fmt(&l->line, "  %04o", e->attr.mode & 07777);
	add_paths(l, e);
	if (e->kind == EVENT_RESULT)
		add_causes(l, &e->derived);
	if (e->kind == EVENT_VERSION && !e->attr.forgotten)
		add_content(l, &e->attr, e->seq);
	if (e->kind == EVENT_VERSION && e->attr.gone)
		buf_str(&l->line,
			e->attr.forgotten ? "  (forgotten)" : "  (not kept)");
	buf_str(&l->line, "\n");
}

/* --- for programs -------------------------------------------------------- */

static void field(struct buf *b, const char *name, const char *value)
{
	buf_fmt(b, ",\"%s\":", name);
	buf_json(b, value, strlen(value));
}

static void field_addr(struct buf *b, const char *name, const struct addr *a)
{
	char hex[ADDR_HEX];

	addr_hex(a, hex);
	field(b, name, hex);
}

static void json_change(struct log *l, const struct event *e)
{
	struct buf *b = &l->line;

	buf_fmt(b, ",\"uid\":%u,\"pid\":%u", e->change.uid, e->change.pid);
	field(b, "program", e->change.program);
	if (e->change.message[0])
		field(b, "message", e->change.message);
	if (e->kind != EVENT_VERSION)
		return;
	buf_fmt(b, ",\"mode\":\"%06o\",\"owner\":%u,\"group\":%u", e->attr.mode,
		e->attr.uid, e->attr.gid);
	if (e->attr.forgotten)
		buf_str(b, ",\"address\":null,\"forgotten\":true");
	else if (S_ISREG(e->attr.mode))
		field_addr(b, "address", &e->attr.addr);
	if (e->attr.gone)
		buf_str(b, ",\"kept\":false");
}

static void json_result(struct log *l, const struct derived *d)
{
	struct buf *b = &l->line;
	struct result r;

	field_addr(b, "recipe", &d->recipe);
	if (!d->error)
		field_addr(b, "address", &d->addr);
	else
		field(b, "error", strerrorname_np(d->error));
	if (results_get(l->h.results, &d->recipe, &r) < 0)
		return;
	buf_fmt(b, ",\"wall_s\":%.6f", (double)r.wall_ns / 1e9);
	if (d->error && r.message[0])
		field(b, "message", r.message);
}

static int json_cause(struct log *l, const char *cause, unsigned i)
{
	buf_str(&l->line, i ? "," : ",\"because\":[");
	buf_json(&l->line, cause, strlen(cause));
	return buf_err(&l->line);
}

static void json_causes(struct log *l, const struct derived *d)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	size_t was = l->line.len;

	if (causes(l, d, &text, json_cause) < 0)
		l->line.len = was;
	else if (l->line.len > was)
		buf_str(&l->line, "]");
}

static void format_json(struct log *l, const struct event *e)
{
	static const char *const kinds[] = {"source", "gone", "derived"};
	struct buf *b = &l->line;
	uint64_t size;
	char time[48];

	time_format(e->time_ns, time, sizeof(time));
	buf_fmt(b, "{\"change\":%" PRIu64, e->seq);
	field(b, "time", time);
	field(b, "kind", kinds[e->kind]);
	field(b, "op", event_op(e));
	if (event_size(e, &size))
		buf_fmt(b, ",\"size\":%" PRIu64, size);
	if (e->path)
		field(b, "path", e->path);
	if (e->other)
		field(b, e->kind == EVENT_GONE ? "to" : "from", e->other);
	if (e->kind == EVENT_RESULT) {
		json_result(l, &e->derived);
		json_causes(l, &e->derived);
	} else {
		json_change(l, e);
	}
	buf_str(b, "}");
}

static int print_events(struct log *l, const struct events *events)
{
	size_t i;

	if (l->json)
		putchar('[');
	for (i = 0; i < events->count; i++) {
		buf_reset(&l->line);
		if (l->json)
			format_json(l, &events->list[i]);
		else
			format_text(l, &events->list[i]);
		if (buf_err(&l->line))
			return -ENOMEM;
		if (l->json && i)
			fputs(",\n", stdout);
		print_buf(&l->line);
	}
	if (l->json)
		puts("]");
	return 0;
}

/* A derived file that nobody has read has no versions, but is there. */
static int no_events(struct log *l, const char *shown, const char *path)
{
	enum file_state state;

	if (!path || attr_state(path, &state) < 0)
		return fail("%s: there is no such file, and never was", shown);
	if (l->json)
		puts("[]");
	else
		complain("%s was never computed: it has no versions yet",
			 shown);
	return EXIT_SUCCESS;
}

static void skip_until(struct events *events, uint64_t seq)
{
	size_t i, n = 0;

	for (i = 0; i < events->count; i++)
		if (events->list[i].seq > seq) {
			events->list[n++] = events->list[i];
		} else {
			free(events->list[i].path);
			free(events->list[i].other);
		}
	events->count = n;
}

/* path: in a mount, or NULL. */
static int print_log(struct log *l, const char *shown, const char *rel,
		     const char *path)
{
	CLEANUP(events_done) struct events events = {0};
	uint64_t since = 0;
	int rc;

	if (l->since && moment_find(&l->h, l->since, &since) < 0)
		return EXIT_FAILURE;
	rc = l->tree ? history_of_tree(&l->h, rel, &events)
		     : history_of_path(&l->h, rel, l->follow, &events);
	if (rc == -ENOENT || (rc >= 0 && !events.count))
		return no_events(l, shown, path);
	if (rc >= 0)
		skip_until(&events, since);
	if (rc >= 0)
		rc = print_events(l, &events);
	return rc < 0 ? fail("%s: %s", shown, err_name(rc)) : EXIT_SUCCESS;
}

static int show(struct cli *cli, struct log o, const char *path)
{
	CLEANUP_FREE char *from = NULL, *rel = NULL, *root = NULL,
			  *store = NULL, *full = NULL;
	struct log l = o;
	struct pager pager;
	size_t n;
	int status;

	if (cli->store)
		rel = strdup(path + strspn(path, "/"));
	else if (gone_find(path, &from, &rel) < 0)
		return EXIT_FAILURE;
	if (!rel || where_mount(cli, from, &root, &store) < 0 ||
	    history_open_at(cli, root, store, &l.h) < 0)
		return EXIT_FAILURE;
	for (n = strlen(rel); n && rel[n - 1] == '/'; n--)
		rel[n - 1] = '\0';
	if (root)
		full = path_join(root, rel);
	pager_start(&pager);
	db_lock(l.h.db);
	status = print_log(&l, path, rel, full);
	db_unlock(l.h.db);
	history_close(&l.h);
	buf_done(&l.line);
	return pager_wait(&pager) ? EXIT_FAILURE : status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct log l = {0};
	int o;

	while ((o = next_option(&cmd_log, cli, argc, argv)) != -1)
		if (o == 'r')
			l.tree = true;
		else if (o == 'f')
			l.follow = true;
		else
			l.since = optarg;
	count_operands(&cmd_log, argc, 1, 1);
	if (l.tree && l.follow)
		usage_error(&cmd_log, "--follow is for one file");
	l.json = cli->json;
	return show(cli, l, argv[optind]);
}

static const struct option longs[] = {
	{"recursive", no_argument, NULL, 'r'},
	{"follow", no_argument, NULL, 'f'},
	{"since", required_argument, NULL, 's'},
	OPT_JSON,
	OPT_STORE,
	OPT_END,
};

const struct command cmd_log = {
	.name = "log",
	.args = "[-r] [--follow] [--since TIME] [--json] [--store DIR] PATH",
	.summary = "versions of a file, oldest first",
	.help = "One line for each version that had this name, also of files "
		"that are gone: the\nchange's number, its time, what was done, "
		"the size, who did it, the address.\nFor a derived file one "
		"line for each content or failure that it had, and what\n"
		"caused it.\n\n"
		"A version can be read as .deriva/at/@NUMBER/PATH, or with "
		"deriva cat ADDRESS.\n\n"
		"  -r, --recursive  of a directory and all that was ever below "
		"it\n"
		"  --follow         also what happened to the file under other "
		"names, before\n"
		"  --since TIME     what came after it: a time, @NUMBER, a "
		"snapshot\n"
		"  --json           for programs: a list of objects\n"
		"  --store DIR      of that store, PATH from its root; no "
		"mount "
		"is needed\n",
	.shorts = "r",
	.longs = longs,
	.run = run,
};
