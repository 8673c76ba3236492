#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/clock.h"

#define QUIET_NS (1 * NSEC_PER_SEC)
#define EVERY_NS (NSEC_PER_SEC / 10)
#define BAR_MAX	 30

void progress_init(struct progress *p, size_t total)
{
	*p = (struct progress){
		.terminal = isatty(STDERR_FILENO),
		.started_ns = clock_mono_ns(),
		.total = total,
	};
}

/* What is left takes as long as the last time, by as many at a time as there
 * are jobs; or, where that is known of too few, as what is done did on
 * average. */
static void format_left(const struct progress *p, int64_t elapsed_ns, char *ret,
			size_t size)
{
	size_t left = p->total - p->done;
	char time[32];
	double ns;

	*ret = '\0';
	if (p->done >= p->total)
		return;
	if (p->known > p->total / 2 && p->jobs)
		ns = p->rest_s * 1e9 / (double)p->jobs;
	else if (p->done)
		ns = (double)elapsed_ns / (double)p->done * (double)left;
	else
		return;
	duration_format((int64_t)ns, time, sizeof(time));
	snprintf(ret, size, ", about %s left", time);
}

void progress_format(const struct progress *p, int64_t elapsed_ns,
		     unsigned columns, char *ret, size_t size)
{
	char text[192], left[64], failed[32] = "", bar[BAR_MAX + 4] = "";
	size_t width, fill, busy = p->done + p->running;

	format_left(p, elapsed_ns, left, sizeof(left));
	if (p->failed)
		snprintf(failed, sizeof(failed), ", %zu failed", p->failed);
	snprintf(text, sizeof(text),
		 "%zu/%zu done%s, %zu running, %zu waiting%s", p->done,
		 p->total, failed, p->running,
		 p->total > busy ? p->total - busy : 0, left);
	if (columns > strlen(text) + 14 && p->total) {
		width = MIN((size_t)columns - strlen(text) - 4,
			    (size_t)BAR_MAX);
		fill = p->done * width / p->total;
		bar[0] = '[';
		memset(bar + 1, '#', fill);
		memset(bar + 1 + fill, '.', width - fill);
		strcpy(bar + 1 + width, "] ");
	}
	snprintf(ret, MIN(size, (size_t)columns), "%s%s", bar, text);
}

/* Whether it is time to draw, and for how many columns. */
static bool is_time(struct progress *p, int64_t now, unsigned *ret_columns)
{
	struct winsize ws = {.ws_col = 80};

	if (!p->terminal || now - p->started_ns < QUIET_NS ||
	    now - p->drawn_ns < EVERY_NS)
		return false;
	p->drawn_ns = now;
	p->shown = true;
	ioctl(STDERR_FILENO, TIOCGWINSZ, &ws);
	*ret_columns = ws.ws_col ? ws.ws_col : 80;
	return true;
}

void progress_part(struct progress *p, const char *doing, uint64_t done,
		   uint64_t total)
{
	unsigned columns;
	char line[256];

	if (!is_time(p, clock_mono_ns(), &columns))
		return;
	if (total)
		snprintf(line, MIN(sizeof(line), (size_t)columns),
			 "%s: %.0f %%", doing,
			 100.0 * (double)MIN(done, total) / (double)total);
	else
		snprintf(line, MIN(sizeof(line), (size_t)columns), "%s", doing);
	fprintf(stderr, "\r\033[K%s", line);
	fflush(stderr);
}

void progress_draw(struct progress *p)
{
	int64_t now = clock_mono_ns();
	unsigned columns;
	char line[256];

	if (!is_time(p, now, &columns))
		return;
	progress_format(p, now - p->started_ns, columns, line, sizeof(line));
	fprintf(stderr, "\r\033[K%s", line);
	fflush(stderr);
}

void progress_clear(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	p->shown = false;
	p->drawn_ns = 0;
}
