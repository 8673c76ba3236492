/* The graph of what files depend on: asked of the mount name by name
 * (.deriva/graph/PATH), breadth first, each once.
 */
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/output.h"
#include "cli/walk.h"
#include "core/map.h"

enum shape { TEXT, DOT, JSON };

struct edge {
	char *path, *kind;
};

struct vertex {
	const char *root; /* of the mount */
	char *path;
	char *state, *recipe;
	struct edge *inputs;
	size_t ninputs, cap;
};

struct graph {
	struct vertex *v; /* derived files, in the order they were met */
	size_t count, cap;
	struct map *seen; /* paths */
};

static void graph_done(struct graph *g)
{
	size_t i, k;

	for (i = 0; i < g->count; i++) {
		for (k = 0; k < g->v[i].ninputs; k++) {
			free(g->v[i].inputs[k].path);
			free(g->v[i].inputs[k].kind);
		}
		free(g->v[i].inputs);
		free(g->v[i].path);
		free(g->v[i].state);
		free(g->v[i].recipe);
	}
	free(g->v);
	map_free(g->seen);
}

static int add_vertex(struct graph *g, const char *root, const char *path)
{
	size_t cap = g->cap ? g->cap * 2 : 64;
	struct vertex *p;
	int rc;

	if (map_get(g->seen, path, strlen(path)))
		return 0;
	if (g->count == g->cap) {
		p = realloc(g->v, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		g->v = p;
		g->cap = cap;
	}
	rc = map_put(g->seen, path, strlen(path), g, NULL);
	if (rc < 0)
		return rc;
	g->v[g->count] = (struct vertex){.root = root, .path = strdup(path)};
	return g->v[g->count++].path ? 0 : -ENOMEM;
}

static char *field(const char *line, const char *key)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	return json_string(line, key, &b) < 0 ? NULL : strdup(buf_cstr(&b));
}

static int add_edge(struct vertex *v, const char *line)
{
	size_t cap = v->cap ? v->cap * 2 : 8;
	struct edge e = {field(line, "input"), field(line, "kind")}, *p;

	if (e.path && e.kind && v->ninputs == v->cap) {
		p = realloc(v->inputs, cap * sizeof(*p));
		if (p) {
			v->inputs = p;
			v->cap = cap;
		}
	}
	if (!e.path || !e.kind || v->ninputs == v->cap) {
		free(e.path);
		free(e.kind);
		return -ENOMEM;
	}
	v->inputs[v->ninputs++] = e;
	return 0;
}

/* Reads one, and notes the derived ones among its inputs. */
static int expand(struct graph *g, size_t i)
{
	CLEANUP_FREE char *name = path_join("graph", g->v[i].path);
	CLEANUP_BUF struct buf text = BUF_INIT;
	char *rest, *line;
	size_t k;
	int rc = name ? ctl_read(g->v[i].root, name, &text) : -ENOMEM;

	if (rc < 0)
		return rc;
	if (!buf_cstr(&text))
		return -ENOMEM;
	rest = (char *)text.data;
	line = text.len ? strsep(&rest, "\n") : NULL;
	if (line) {
		g->v[i].state = field(line, "state");
		g->v[i].recipe = field(line, "recipe");
	}
	while (rc >= 0 && rest && (line = strsep(&rest, "\n")))
		if (*line)
			rc = add_edge(&g->v[i], line);
	for (k = 0; rc >= 0 && k < g->v[i].ninputs; k++)
		if (!strcmp(g->v[i].inputs[k].kind, "derived"))
			rc = add_vertex(g, g->v[i].root,
					g->v[i].inputs[k].path);
	return rc;
}

static const char *or_none(const char *s)
{
	return s ? s : "-";
}

static void print_text(const struct graph *g)
{
	size_t i, k;

	for (i = 0; i < g->count; i++) {
		const struct vertex *v = &g->v[i];

		print_name(v->path);
		printf("  %s  ", or_none(v->state));
		print_name(or_none(v->recipe));
		putchar('\n');
		for (k = 0; k < v->ninputs; k++) {
			printf("    %-9s  ", v->inputs[k].kind);
			print_name(v->inputs[k].path);
			putchar('\n');
		}
	}
}

static void add_quoted(struct buf *b, const char *s)
{
	buf_u8(b, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_u8(b, '\\');
		if (*s == '\n')
			buf_str(b, "\\n");
		else
			buf_u8(b, (uint8_t)*s);
	}
	buf_u8(b, '"');
}

static void print_dot(const struct graph *g)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t i, k;

	buf_str(&b, "digraph deriva {\n\trankdir=LR;\n\tnode [shape=box];\n");
	for (i = 0; i < g->count; i++) {
		const struct vertex *v = &g->v[i];

		buf_u8(&b, '\t');
		add_quoted(&b, v->path);
		buf_fmt(&b, " [style=%s];\n",
			v->state && !strcmp(v->state, "fresh") ? "filled"
							       : "dashed");
		for (k = 0; k < v->ninputs; k++) {
			buf_u8(&b, '\t');
			add_quoted(&b, v->inputs[k].path);
			buf_str(&b, " -> ");
			add_quoted(&b, v->path);
			buf_str(&b, ";\n");
		}
	}
	buf_str(&b, "}\n");
	print_buf(&b);
}

static void add_field(struct buf *b, const char *key, const char *value)
{
	buf_fmt(b, "\"%s\":", key);
	if (value)
		buf_json(b, value, strlen(value));
	else
		buf_str(b, "null");
}

static void print_json(const struct graph *g)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t i, k;

	buf_u8(&b, '[');
	for (i = 0; i < g->count; i++) {
		const struct vertex *v = &g->v[i];

		buf_str(&b, i ? ",\n{" : "{");
		add_field(&b, "path", v->path);
		buf_u8(&b, ',');
		add_field(&b, "state", v->state);
		buf_u8(&b, ',');
		add_field(&b, "recipe", v->recipe);
		buf_str(&b, ",\"inputs\":[");
		for (k = 0; k < v->ninputs; k++) {
			buf_str(&b, k ? ",{" : "{");
			add_field(&b, "path", v->inputs[k].path);
			buf_u8(&b, ',');
			add_field(&b, "kind", v->inputs[k].kind);
			buf_u8(&b, '}');
		}
		buf_str(&b, "]}");
	}
	buf_str(&b, "]\n");
	print_buf(&b);
}

static int gather(struct graph *g, const struct items *items)
{
	int rc = 0, status = EXIT_SUCCESS;
	size_t i;

	for (i = 0; rc >= 0 && i < items->count; i++) {
		const struct item *it = &items->list[i];

		if (it->state != STATE_SOURCE && it->state != STATE_BLOCKED)
			rc = add_vertex(g, it->root, it->rel);
		else
			status = fail("%s depends on nothing: it is an "
				      "ordinary file",
				      it->shown);
	}
	for (i = 0; rc >= 0 && i < g->count; i++) {
		rc = expand(g, i);
		/* of what lies in a derived directory nothing more is known */
		if (rc == -ENOENT || rc == -ENOTDIR || rc == -EISDIR)
			rc = 0;
	}
	return rc < 0 ? fail("%s", err_name(rc)) : status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP(graph_done) struct graph g = {.seen = map_new()};
	enum shape shape = TEXT;
	int i, status = EXIT_SUCCESS;
	struct items items = {0};
	struct where where;

	while (next_option(&cmd_graph, cli, argc, argv) != -1)
		shape = DOT;
	count_operands(&cmd_graph, argc, 1, -1);
	if (cli->json && shape == DOT)
		usage_error(&cmd_graph, "--dot and --json exclude each other");
	if (!g.seen)
		return fail("out of memory");
	if (where_open(cli, &where) < 0)
		return EXIT_FAILURE;
	for (i = optind; i < argc; i++)
		if (items_add(&items, &where, argv[i]) < 0)
			status = EXIT_FAILURE;
	if (gather(&g, &items) != EXIT_SUCCESS)
		status = EXIT_FAILURE;
	if (cli->json)
		print_json(&g);
	else if (shape == DOT)
		print_dot(&g);
	else
		print_text(&g);
	items_done(&items);
	return where_close(&where) ? EXIT_FAILURE : status;
}

static const struct option longs[] = {
	{"dot", no_argument, NULL, 'd'},
	OPT_JSON,
	OPT_STORE,
	OPT_END,
};

const struct command cmd_graph = {
	.name = "graph",
	.args = "[--dot | --json] [--store DIR] PATH...",
	.summary = "what files depend on, over all steps",
	.help = "Prints the derived files among PATHs (and all below a PATH "
		"that is a directory),\neach with its state and its recipe, "
		"and below it its inputs; then those of its\ninputs that are "
		"derived themselves, and so on. Nothing is computed; what "
		"a\ncommand without `in` reads is known from its last "
		"run.\n\n"
		"  --dot        for dot(1): deriva graph --dot PATH | dot "
		"-Tsvg >graph.svg\n"
		"  --json       an array of objects: path, state, recipe, "
		"inputs (path, kind)\n"
		"  --store DIR  in that store, PATHs from its root\n",
	.shorts = "d",
	.longs = longs,
	.run = run,
};
