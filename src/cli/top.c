/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf top`: what each VF does right now. Counters are read once an interval and shown as rates;
 * the busiest first, with the last intervals as a line. On a terminal the screen is drawn anew and
 * single keys work; elsewhere each interval is a table of its own, or with -j an array.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define HISTORY	  24 /* intervals a line shows */
#define BIT(name) (1U << VF_COUNT_##name)
#define COL_WIDTH 9 /* characters; with a PF's usual name all columns stand on a screen of 80 */

/* What a row is ordered by, and the key that asks for it. */
enum column { COL_RX, COL_TX, COL_RX_PPS, COL_TX_PPS, COL_DROPS, COL_MIRRORED, COL_N };
static const struct {
	const char *word, *head, *json;
	uint32_t made_of; /* bits by enum vf_count; if one of them is not told, it is not known */
} columns[] = {
	[COL_RX] = { "rx", "rx Mbit/s", "rx_mbit", BIT(RX_BYTES) },
	[COL_TX] = { "tx", "tx Mbit/s", "tx_mbit", BIT(TX_BYTES) },
	[COL_RX_PPS] = { "rx-pps", "rx pps", "rx_pps", BIT(RX_PACKETS) },
	[COL_TX_PPS] = { "tx-pps", "tx pps", "tx_pps", BIT(TX_PACKETS) },
	[COL_DROPS] = { "drops", "drops/s", "drops", BIT(RX_DROPPED) | BIT(TX_DROPPED) },
	[COL_MIRRORED] = { "mirrored", "copies/s", "mirrored", BIT(MIRRORED) },
};

struct row {
	char pf[PF_NAME_LEN + 1];
	unsigned int vf;
	bool there, known;	 /* seen in this interval; in the one before as well */
	struct vf_stats last;	 /* counters of the last reading */
	struct vf_untold untold; /* those of them that are not known */
	double rates[COL_N];	 /* a second */
	double history[HISTORY]; /* Mbit/s both ways, the newest last */
};

struct top {
	struct cli *cli;
	const char *pf;	  /* only this one, or NULL */
	int sort;	  /* enum column; -1: by both directions' bytes */
	int every, count; /* seconds; intervals, 0: until told */
	struct row *rows;
	size_t n;
	bool is_tty;
};

static volatile sig_atomic_t stopped;

static void stop(int signo)
{
	stopped = signo;
}

static double weight(const struct top *t, const struct row *r)
{
	return t->sort < 0 ? r->rates[COL_RX] + r->rates[COL_TX] : r->rates[t->sort];
}

static int by_weight(const void *a, const void *b, void *arg)
{
	const struct row *x = a, *y = b;
	double wx = weight(arg, x), wy = weight(arg, y);
	int diff = (wx < wy) - (wx > wy);

	if (!diff)
		diff = strcmp(x->pf, y->pf);
	return diff ? diff : (x->vf > y->vf) - (x->vf < y->vf);
}

/* Both ways, whether reasons are told or not. */
static uint64_t drops_of(const struct vf_stats *s)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < DROP_N; i++)
		sum += s->drops[i];
	return MAX(sum, s->rx_dropped) + s->tx_dropped;
}

static bool is_told(const struct row *r, unsigned int column)
{
	return !(columns[column].made_of & r->untold.counts);
}

/* Rates of the @secs since the last reading; a VF that was released counts from zero again. */
static void row_update(struct row *r, const struct vf_info *info, double secs)
{
	const struct vf_stats *s = &info->stats;
	const struct vf_stats *was = &r->last;
	bool again =
		r->known && s->rx_packets >= was->rx_packets && s->tx_packets >= was->tx_packets;
	const uint64_t grown[COL_N] = {
		[COL_RX] = s->rx_bytes - was->rx_bytes,
		[COL_TX] = s->tx_bytes - was->tx_bytes,
		[COL_RX_PPS] = s->rx_packets - was->rx_packets,
		[COL_TX_PPS] = s->tx_packets - was->tx_packets,
		[COL_DROPS] = drops_of(s) - drops_of(was),
		[COL_MIRRORED] = s->mirrored - was->mirrored,
	};

	for (unsigned int i = 0; i < COL_N; i++)
		r->rates[i] = again ? (double)grown[i] / secs * (i <= COL_TX ? 8e-6 : 1) : 0;
	memmove(r->history, r->history + 1, sizeof(r->history) - sizeof(r->history[0]));
	r->history[HISTORY - 1] = r->rates[COL_RX] + r->rates[COL_TX];
	r->last = *s;
	r->untold = info->untold;
	r->there = r->known = true;
}

static struct row *row_of(struct top *t, const char *pf, unsigned int vf)
{
	struct row *rows;

	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i].vf == vf && !strcmp(t->rows[i].pf, pf))
			return &t->rows[i];
	rows = reallocarray(t->rows, t->n + 1, sizeof(*rows));
	if (!rows)
		return NULL;
	t->rows = rows;
	rows[t->n] = (struct row){ .vf = vf };
	snprintf(rows[t->n].pf, sizeof(rows[t->n].pf), "%s", pf);
	return &rows[t->n++];
}

/* The VFs of one PF that are plugged in, or were and had frames. */
static int pf_read(struct top *t, const char *pf, double secs, struct err *e)
{
	auto_of(json_decref) json_t *got = NULL;
	const json_t *vf;
	size_t i;
	int rc = cli_call_pf(t->cli, pf, "pf.get", json_pack("{s:b}", "vfs", 1), &got, e);

	if (rc)
		return rc;
	json_array_foreach (json_object_get(got, "vfs"), i, vf) {
		struct vf_info info;
		struct row *r;

		rc = ctl_vf_info_from_json(vf, &info, e);
		if (rc)
			return rc;
		if (info.attach.kind == VF_ATTACH_NONE && !info.stats.rx_packets)
			continue;
		r = row_of(t, pf, (unsigned int)i);
		if (!r)
			return err_set(e, -ENOMEM, "no memory");
		row_update(r, &info, secs);
	}
	return 0;
}

/* All rows anew; those of VFs that are gone go. */
static int rows_read(struct top *t, double secs, struct err *e)
{
	auto_of(json_decref) json_t *names = NULL;
	const json_t *name;
	size_t i, kept = 0;
	int rc = t->pf ? 0 : cli_call_all(t->cli, "pf.list", &names, e);

	for (i = 0; i < t->n; i++)
		t->rows[i].there = false;
	if (t->pf)
		rc = pf_read(t, t->pf, secs, e);
	json_array_foreach (names, i, name) {
		if (!rc)
			rc = pf_read(t, json_string_value(name), secs, e);
		if (rc == -ENODEV) { /* it is gone */
			*e = (struct err){ 0 };
			rc = 0;
		}
	}
	if (rc)
		return rc;
	for (i = 0; i < t->n; i++)
		if (t->rows[i].there)
			t->rows[kept++] = t->rows[i];
	t->n = kept;
	if (t->n)
		qsort_r(t->rows, t->n, sizeof(*t->rows), by_weight, t);
	return 0;
}

/* The newest @n intervals, to the row's own scale. */
static void print_history(const struct row *r, unsigned int n)
{
	static const char *const levels[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	double most = 0;

	for (unsigned int i = 0; i < HISTORY; i++)
		most = MAX(most, r->history[i]);
	for (unsigned int i = HISTORY - n; i < HISTORY; i++)
		fputs(levels[most > 0 ? (unsigned int)(r->history[i] / most * 8 + 0.5) : 0],
		      stdout);
}

/* How much of the table the screen has room for: rows, and intervals behind each. */
static void room_left(const struct top *t, int name_width, size_t *rows, unsigned int *intervals)
{
	const int used = name_width + COL_N * (COL_WIDTH + 1) + 2;
	struct winsize size;

	*rows = t->n;
	*intervals = HISTORY;
	if (!t->is_tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		return;
	*rows = MIN(t->n, (size_t)MAX(size.ws_row - 2, 1));
	*intervals = (unsigned int)MIN(MAX(size.ws_col - used, 0), HISTORY);
}

/* As wide as the longest: the columns behind it are in line. */
static int names_width(const struct top *t)
{
	size_t width = 0;

	for (size_t i = 0; i < t->n; i++)
		width = MAX(width, strlen(t->rows[i].pf));
	return (int)width + 7; /* " vf 255" */
}

static void print_row(const struct row *r, int width, unsigned int intervals)
{
	char name[PF_NAME_LEN + 16];

	snprintf(name, sizeof(name), "%s vf %u", r->pf, r->vf);
	printf("%-*s", width, name);
	for (unsigned int i = 0; i < COL_N; i++)
		if (is_told(r, i))
			printf(" %*.*f", COL_WIDTH, i <= COL_TX ? 2 : 0, r->rates[i]);
		else
			printf(" %*s", COL_WIDTH, "-");
	fputs("  ", stdout);
	if (is_told(r, COL_RX))
		print_history(r, intervals);
	else if (intervals >= HISTORY) /* else there is no room for it */
		printf("not told %s", r->untold.why);
}

static void print_table(const struct top *t)
{
	const char *end = t->is_tty ? "\033[K\n" : "\n";
	const int width = names_width(t);
	unsigned int intervals;
	size_t rows;

	room_left(t, width, &rows, &intervals);
	printf("%s%-*s", t->is_tty ? "\033[H" : "", width, "VF");
	for (unsigned int i = 0; i < COL_N; i++)
		printf(" %*s", COL_WIDTH, columns[i].head);
	fputs(end, stdout);
	for (size_t i = 0; i < rows; i++) {
		print_row(&t->rows[i], width, intervals);
		fputs(end, stdout);
	}
	if (!t->n)
		printf("no VF is plugged in%s", end);
	if (t->is_tty)
		printf("\033[Jq quits; sort by r, t, d or m (rx, tx, drops, mirrored), a: all "
		       "bytes");
	else
		putchar('\n');
}

/* What is not told is not there. */
static json_t *row_json(const struct row *r)
{
	json_t *j = json_pack("{s:s, s:i}", "pf", r->pf, "vf", (int)r->vf);

	for (unsigned int i = 0; i < COL_N; i++)
		if (is_told(r, i))
			json_object_set_new(j, columns[i].json, json_real(r->rates[i]));
	if (r->untold.counts)
		json_object_set_new(j, "not_told", json_string(r->untold.why));
	return j;
}

static int print_rows(const struct top *t)
{
	auto_of(json_decref) json_t *list = NULL;

	if (!t->cli->json) {
		print_table(t);
		return fflush(stdout) ? CLI_FAIL : CLI_OK;
	}
	list = json_array();
	for (size_t i = 0; i < t->n; i++)
		json_array_append_new(list, row_json(&t->rows[i]));
	return cli_print_json(t->cli, list);
}

/* Until the interval is over; keys change the order, or end it. False: it ends. */
static bool await(struct top *t, double until)
{
	static const char keys[] = {
		[COL_RX] = 'r', [COL_TX] = 't', [COL_DROPS] = 'd', [COL_MIRRORED] = 'm'
	};
	struct timespec now;

	while (!stopped) {
		struct pollfd in = { t->is_tty ? STDIN_FILENO : -1, POLLIN, 0 };
		char key = 0;
		double left;

		clock_gettime(CLOCK_MONOTONIC, &now);
		left = until - (double)now.tv_sec - (double)now.tv_nsec / 1e9;
		if (left <= 0)
			return true;
		if (poll(&in, 1, (int)(left * 1000) + 1) <= 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')
			return false;
		if (key == 'a')
			t->sort = -1;
		for (unsigned int i = 0; i < sizeof(keys); i++)
			if (key && key == keys[i])
				t->sort = (int)i;
		qsort_r(t->rows, t->n, sizeof(*t->rows), by_weight, t);
		print_rows(t);
	}
	return false;
}

/* Errors are told by the caller, when the terminal is as it was. */
static int run(struct top *t, struct err *e)
{
	struct timespec now;
	double at, last = 0;

	for (int i = 0; !stopped; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		at = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
		if (rows_read(t, at - last, e))
			return CLI_FAIL;
		last = at;
		if (i && print_rows(t))
			return CLI_FAIL;
		if (t->count && i == t->count)
			break;
		if (!await(t, at + t->every))
			break;
	}
	return CLI_OK;
}

static int words_read(struct top *t)
{
	const char *word, *value;

	while ((word = cli_next(t->cli))) {
		bool every = !strcmp(word, "every");

		if (every || !strcmp(word, "count")) {
			value = cli_next(t->cli);
			if (!value)
				return cli_incomplete();
			if (!cli_int(value, every ? &t->every : &t->count) ||
			    (every ? t->every : t->count) < 1)
				return cli_wrong(value, "not a number from 1 on");
		} else if (!strcmp(word, "sort")) {
			value = cli_next(t->cli);
			if (!value)
				return cli_incomplete();
			for (t->sort = COL_N - 1; t->sort >= 0; t->sort--)
				if (!strcmp(value, columns[t->sort].word))
					break;
			if (t->sort < 0 && strcmp(value, "all"))
				return cli_wrong(value, "not a column");
		} else if (t->pf) {
			return cli_garbage("PF", word);
		} else {
			t->pf = word;
		}
	}
	return CLI_OK;
}

/**
 * cli_top() - anyvf top [PF] [sort COLUMN] [every SECONDS] [count N]
 * @cli: words start behind `top`
 *
 * Return: 0 when it was told to end or did count; 255 for a bad line; 1 when there is no such PF,
 * no daemon, or nobody reads what is printed.
 */
int cli_top(struct cli *cli)
{
	struct top t = { .cli = cli, .sort = -1, .every = 1 };
	struct sigaction action = { .sa_handler = stop };
	struct termios was, raw;
	struct err e = { 0 };
	int rc = words_read(&t);

	if (rc)
		return rc;
	t.is_tty = !cli->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
		   !tcgetattr(STDIN_FILENO, &was);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (t.is_tty) {
		raw = was;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
		fputs("\033[?1049h\033[?25l\033[?7l",
		      stdout); /* another screen, no cursor, no wrapping */
	}
	rc = run(&t, &e);
	if (t.is_tty) {
		fputs("\033[?7h\033[?25h\033[?1049l", stdout);
		fflush(stdout);
		tcsetattr(STDIN_FILENO, TCSANOW, &was);
	}
	free(t.rows);
	return *e.msg ? cli_error(&e) : rc;
}
