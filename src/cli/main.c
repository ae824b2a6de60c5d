/* SPDX-License-Identifier: MIT */
/*
 * main.c - the program dedupe-link: a customer of dedupe-link.h
 *
 *	options    the command line             words      names of the library's enums
 *	listfile   files of names and patterns  nearest    guesses for what was mistyped
 *	signals    stop, or how far are you     progress   the answer in words
 *	                                        painter    and how it gets to the terminal
 *	issues     what went wrong, gathered    complain   and told on stderr
 *	survey     where the savings lie        page       the HTML report's fixed parts
 *	sink_*     the report's forms           out        a stream that remembers write errors
 *	stream     what is written meanwhile    newfile    a file there whole or not
 *	cachefile  where the cache is           history    what past runs freed
 *
 * Options are parsed, the library works, and only then something is printed: while it works, files of other programs
 * may be held in leases, and a full pipe must not make them wait. Only the painter and the
 * stream write meanwhile, on threads of their own.
 */
#include "cachefile.h"
#include "complain.h"
#include "history.h"
#include "idle.h"
#include "issues.h"
#include "metrics.h"
#include "newfile.h"
#include "options.h"
#include "out.h"
#include "painter.h"
#include "signals.h"
#include "sink.h"
#include "stream.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_DONE = 0, STATUS_TROUBLE = 1, STATUS_USAGE = 2, STATUS_LOCKED = 3, STATUS_SIGNAL = 128 };

struct session {
	struct options options;
	struct issues issues;
	struct survey survey;
	struct painter painter;
	struct stream stream; /* of events; only when `streaming` */
	struct text line;     /* of the event at hand */
	bool streaming;
	struct text restored;  /* names that --undo gave a file of their own, each ended by a NUL; only when they are asked for */
	struct text locked;    /* the path on which another run holds the lock, if it was told */
	struct dlk_plan *plan; /* NULL: there is none, or it was a recovery */
	struct dlk_tally tally;
	bool out_of_time;
	bool unrecorded; /* the journal could not be written, so that linking ended */
	bool unready;    /* a file that was asked for could not be opened, so that there was no work */
	int journal; /* a descriptor; 0: none */
	int result;      /* of the library */
	struct newfile plan_file; /* of --plan, while it is written */
	struct text cache; /* its path, when nobody said where */
	struct newfile page;      /* of --html, likewise */
	struct newfile metrics;   /* of --metrics, likewise */
	int plan_error;  /* why a plan could not be opened or written */
	int64_t duration_ns;
};

/* ---- while the library works ---- */

static void stream_event(struct session *session, const struct dlk_event *event)
{
	session->line.count = 0;
	sink_lines_event(&session->line, event);
	stream_put(&session->stream, &session->line);
}

static void observe(void *ctx, const struct dlk_event *event)
{
	struct session *session = ctx;

	if (session->streaming)
		stream_event(session, event);
	if (event->kind == DLK_EVENT_PHASE || event->kind == DLK_EVENT_PROGRESS) {
		painter_note(&session->painter, event);
		return;
	}
	if (event->kind == DLK_EVENT_RESTORED && !session->streaming)
		text_add(&session->restored, event->path, strlen(event->path) + 1);
	/* That another run holds the lock has an exit status and a line of its own. */
	if (event->stage == DLK_STAGE_LOCK && event->error == EAGAIN) {
		if (event->path && !session->locked.count)
			text_add_quoted(&session->locked, event->path);
		issues_note_told(&session->issues, event);
		return;
	}
	session->out_of_time |= event->kind == DLK_EVENT_NOTE && event->reason == DLK_REASON_OUT_OF_TIME;
	session->unrecorded |= event->kind == DLK_EVENT_ERROR && event->stage == DLK_STAGE_JOURNAL;
	issues_note(&session->issues, event);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

static int read_plan(struct session *session)
{
	const struct options *options = &session->options;
	int fd = strcmp(options->plan_from, "-") ? open(options->plan_from, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
	struct stat status;
	int r = 0;

	if (fd < 0)
		session->plan_error = -errno;
	else if (!fstat(fd, &status) && S_ISDIR(status.st_mode))
		session->plan_error = -EISDIR;
	else
		r = dlk_plan_read(&options->run, fd, &session->plan);
	if (fd >= 0 && fd != STDIN_FILENO)
		close(fd);
	return r;
}

/* Only a whole plan gets the name that was asked for. */
static void write_plan(struct session *session, int result)
{
	if (!result)
		session->plan_error = dlk_plan_write(session->plan, session->plan_file.fd);
	if (result || session->plan_error)
		newfile_abandon(&session->plan_file);
	else
		session->plan_error = newfile_commit(&session->plan_file);
}

static int make_plan(struct session *session)
{
	const struct options *options = &session->options;

	if (options->plan_from)
		return read_plan(session);
	return dlk_scan(&options->run, options->paths.at, options->paths.count, &session->plan);
}

static int scan_and_apply(struct session *session)
{
	const struct options *options = &session->options;
	int r = make_plan(session);

	if (options->plan_to)
		write_plan(session, r);
	if (!r && !session->plan_error && !options->dry_run)
		r = dlk_apply(session->plan);
	if (session->plan)
		session->tally = *dlk_plan_tally(session->plan);
	return r;
}

/* A list of names that was empty. A plan of before must not be taken for one of now. */
static void do_nothing(struct session *session)
{
	if (!session->options.plan_to)
		return;
	session->plan_error = -ENODATA;
	newfile_abandon(&session->plan_file);
}

static enum painter_mode painter_mode(const struct options *options)
{
	bool wanted = options->progress == OPTIONS_ALWAYS || (options->progress == OPTIONS_AUTO && !options->quiet);

	if (wanted && painter_can_draw())
		return PAINTER_DRAWS;
	return options->progress == OPTIONS_ALWAYS ? PAINTER_LINES : PAINTER_ASKED;
}

/* Whether the report will list what was undone. */
static bool wants_restored(const struct options *options)
{
	return options->undo && (options->verbose || options->output != OPTIONS_TEXT);
}

static void begin_stream(struct session *session)
{
	session->streaming = session->options.output == OPTIONS_LINES;
	session->options.run.tell_links |= session->streaming || wants_restored(&session->options);
	if (session->streaming)
		stream_begin(&session->stream, STDOUT_FILENO);
}

static void work(struct session *session)
{
	struct options *options = &session->options;
	int64_t begun = now();

	if (options->plan_to && (session->plan_error = newfile_open(options->plan_to, &session->plan_file)))
		return;
	painter_begin(&session->painter, painter_mode(options));
	options->run.observe = observe;
	options->run.observe_ctx = session;
	options->run.stop = signals_stop();
	options->run.figures = &session->tally;
	if (options->undo)
		session->result = (options->dry_run ? dlk_undo_foresee : dlk_undo)(&options->run, session->journal, &session->tally);
	else if (!options->paths.count && !options->plan_from)
		do_nothing(session);
	else if (options->verb == OPTIONS_RECOVER)
		session->result = dlk_recover(&options->run, options->paths.at, options->paths.count, &session->tally);
	else
		session->result = scan_and_apply(session);
	session->duration_ns = now() - begun;
	painter_end(&session->painter);
}

/* ---- afterwards ---- */

static int status_of(const struct session *session)
{
	if (session->unready)
		return STATUS_USAGE;
	if (session->plan_error)
		return session->options.plan_from || !session->plan ? STATUS_USAGE : STATUS_TROUBLE;
	switch (session->result) {
	case 0:
		return session->tally.errors ? STATUS_TROUBLE : STATUS_DONE;
	case -ECANCELED:
		return signals_stopped() ? STATUS_SIGNAL + signals_stopped() : STATUS_TROUBLE;
	case -EAGAIN:
		return STATUS_LOCKED;
	case -ENOENT:
	case -ENOTDIR:
	case -EBADMSG:
	case -ENOSYS:
		return STATUS_USAGE;
	default:
		return STATUS_TROUBLE;
	}
}

static void say_stopped(const struct session *session)
{
	struct progress progress = session->painter.progress;
	struct text text = { 0 };

	progress.left_ns = -1; /* nobody waits for it any more */
	progress_line(&text, &progress);
	out_say(OUT_NOTICE, "stopped by %s while %s; %s", signals_name(signals_stopped()), text.failed ? "working" : text.at,
		     session->options.undo ? session->options.dry_run ? "nothing was undone" : "what was undone stays so" :
		     session->plan	   ? "what was linked stays linked" :
					     "nothing was linked");
	text_free(&text);
}

static void say_plan_error(const struct session *session)
{
	const struct options *options = &session->options;
	struct text text = { 0 };

	text_puts(&text, options->plan_from ? "cannot read the plan " : "cannot write the plan ");
	text_add_quoted(&text, options->plan_from ? options->plan_from : options->plan_to);
	if (!text.failed)
		out_complain("%s: %s", text.at, strerror(-session->plan_error));
	text_free(&text);
}

/* Whether an event said what went wrong, and where. */
static bool told_error(const struct session *session)
{
	for (size_t i = 0; i < session->issues.causes.count; i++)
		if (session->issues.causes.at[i].kind == DLK_EVENT_ERROR && !session->issues.causes.at[i].told)
			return true;
	return false;
}

/* A file of ours that could not be used: for the report, since a complaint is for people. */
static void note_failure(struct session *session, enum dlk_stage stage, const char *path, int error)
{
	struct dlk_event event = { .kind = DLK_EVENT_ERROR, .stage = stage, .path = path, .error = abs(error) };

	if (session->streaming)
		stream_event(session, &event);
	issues_note_told(&session->issues, &event);
	session->tally.errors++;
}

/* What ended the run without an event. */
static void note_result(struct session *session)
{
	const struct options *options = &session->options;
	bool untold = session->result && session->result != -ECANCELED && session->result != -EAGAIN && !told_error(session);

	if (session->plan_error)
		note_failure(session, DLK_STAGE_PLAN, options->plan_from ? options->plan_from : options->plan_to, session->plan_error);
	else if (untold && options->undo)
		note_failure(session, DLK_STAGE_JOURNAL, options->journal, session->result);
	else if (untold && options->plan_from)
		note_failure(session, DLK_STAGE_PLAN, options->plan_from, session->result);
}

/* Why the run did not come to its end. */
static void say_result(const struct session *session)
{
	if (session->plan_error)
		say_plan_error(session);
	switch (session->result) {
	case 0:
		break;
	case -ECANCELED:
		say_stopped(session);
		break;
	case -EAGAIN:
		out_complain("another run holds the lock on %s (--wait waits for it)",
			     session->locked.at ? session->locked.at : "one of the PATHs");
		break;
	case -ENOENT:
	case -ENOTDIR:
		if (!told_error(session))
			out_complain("no PATH could be read");
		break;
	case -EBADMSG:
		out_complain(session->options.undo ? "nothing was undone" : "nothing of the plan was followed");
		break;
	case -EPERM:
		out_complain("%s", session->options.undo ?
					   "the journal is another user's, or others may write it: nothing was undone" :
					   strerror(EPERM));
		break;
	case -ENOSYS:
		out_complain("this program was built without jansson, which reads plans and journals");
		break;
	default:
		if (session->result == -ENOMEM || !told_error(session))
			out_complain("%s", strerror(-session->result));
	}
}

static bool wants_color(const struct options *options)
{
	const char *refusal = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (options->color != OPTIONS_AUTO)
		return options->color == OPTIONS_ALWAYS;
	return !(refusal && *refusal) && terminal && strcmp(terminal, "dumb") && isatty(STDOUT_FILENO);
}

/* The form of the report; one that says nothing for -q. */
static const struct sink_kind *sink_for(const struct options *options)
{
	static const struct sink_kind silent = { 0 };

	if (options->output == OPTIONS_JSON)
		return &sink_json;
	if (options->output == OPTIONS_LINES)
		return &sink_lines;
	if (options->output == OPTIONS_NAMES)
		return &sink_names;
	return options->quiet ? &silent : &sink_text;
}

static bool wants_survey(const struct session *session)
{
	return session->plan && (session->options.html || sink_for(&session->options) == &sink_text);
}

static int visit_set(void *ctx, const struct dlk_set *set)
{
	struct sink *sink = ctx;

	if (sink->kind->set)
		sink->kind->set(sink, set);
	sink->sets++;
	sink->members = 0;
	return sink->out.error;
}

static int visit_member(void *ctx, const struct dlk_set *set, const struct dlk_member *member)
{
	struct sink *sink = ctx;

	if (sink->kind->member)
		sink->kind->member(sink, set, member);
	sink->members++;
	out_check(&sink->out);
	return sink->out.error;
}

static int visit_apart_set(void *ctx, const struct dlk_set *set UNUSED)
{
	struct sink *sink = ctx;

	sink->members = 0;
	return sink->out.error;
}

static int visit_apart(void *ctx, const struct dlk_set *set, const struct dlk_member *member)
{
	struct sink *sink = ctx;

	sink->kind->apart(sink, set, member);
	sink->members++;
	sink->aparts += sink->members == set->names;
	out_check(&sink->out);
	return sink->out.error;
}

/* The duplicate sets, then the equal files that are kept apart. */
static void print_sets(const struct session *session, struct sink *sink)
{
	static const struct dlk_plan_visitor sets = { .set = visit_set, .member = visit_member };
	static const struct dlk_plan_visitor aparts = { .set = visit_apart_set, .member = visit_apart };

	if (sink->kind->set || sink->kind->member)
		(void)dlk_plan_each(session->plan, &sets, sink);
	if (sink->kind->apart)
		(void)dlk_plan_each_apart(session->plan, &aparts, sink);
}

/* Events come before all that is only known at the end. */
static int end_stream(struct session *session)
{
	uint64_t lost = 0;
	int r = stream_end(&session->stream, &lost);

	if (lost)
		out_complain("%llu lines were lost: nobody read them, and there was no place to keep them",
			     (unsigned long long)lost);
	return r ? r : lost ? -ENOBUFS : 0;
}

/* The report on stdout; the complaints on stderr, after the sets, so that the figures come last. */
static int print(struct session *session, const struct report *report)
{
	struct sink sink = {
		.kind = sink_for(&session->options),
		.report = report,
		.out = { .fd = STDOUT_FILENO },
	};
	bool wants_sets = sink.kind != &sink_text || report->detail;

	if (session->streaming)
		sink.out.error = end_stream(session);

	if (sink.kind->begin)
		sink.kind->begin(&sink);
	if (session->plan && wants_sets)
		print_sets(session, &sink);
	out_flush(&sink.out);
	complain_issues(&session->issues, &session->options);
	say_result(session);
	if (sink.kind->end)
		sink.kind->end(&sink);
	return out_finish(&sink.out);
}

/* A run that failed has nothing to show: the page of the last one stays. */
static int write_page(struct session *session, const struct report *report)
{
	static const struct dlk_plan_visitor visitor = { .set = visit_set, .member = visit_member };
	struct sink sink = { .kind = &sink_html, .report = report, .out = { .fd = session->page.fd } };

	if (report->outcome == REPORT_FAILED || report->outcome == REPORT_STOPPED_EARLY) {
		newfile_abandon(&session->page);
		return 0;
	}
	sink.kind->begin(&sink);
	if (session->plan)
		(void)dlk_plan_each(session->plan, &visitor, &sink);
	sink.kind->end(&sink);
	out_flush(&sink.out);
	text_free(&sink.out.text);
	if (!sink.out.error)
		return newfile_commit(&session->page);
	newfile_abandon(&session->page);
	return sink.out.error;
}

static void note_trouble(struct report *report)
{
	if (report->exit_status <= STATUS_SIGNAL)
		report->exit_status = STATUS_TROUBLE;
}

static void complain_file(const char *attempt, const char *path, int error)
{
	struct text name = { 0 };

	text_add_quoted(&name, path);
	out_complain("cannot %s %s: %s", attempt, name.failed ? "a file" : name.at, strerror(-error));
	text_free(&name);
}

static int report(struct session *session)
{
	const struct options *options = &session->options;
	struct report report = {
		.tally = &session->tally,
		.issues = &session->issues,
		.restored = &session->restored,
		.about = options->undo                    ? options->dry_run ? REPORT_WOULD_UNDO : REPORT_UNDONE
			 : options->verb == OPTIONS_RECOVER ? REPORT_RECOVERED
			 : options->dry_run               ? REPORT_DRY_RUN
							  : REPORT_LINKED,
		.outcome = session->plan_error || session->unready ? REPORT_FAILED
			   : session->result == 0          ? REPORT_COMPLETE
			   : session->result != -ECANCELED ? REPORT_FAILED
			   : session->plan || options->undo ? REPORT_STOPPED_LINKING
							   : REPORT_STOPPED_EARLY,
		.paths = options->paths.at,
		.path_count = options->paths.count,
		.detail = options->verbose,
		.color = wants_color(options),
		.reflinks = session->plan && dlk_plan_method(session->plan) == DLK_REFLINK,
		.out_of_time = session->out_of_time,
		.exit_status = status_of(session),
		.duration_ns = session->duration_ns,
	};
	int r;

	report.complete = report.outcome == REPORT_COMPLETE && !session->out_of_time && !session->unrecorded;
	note_result(session);
	issues_index(&session->issues);
	if (wants_survey(session) &&
	    !survey_make(session->plan, options->html ? SURVEY_FINE : SURVEY_COARSE, &session->survey))
		report.survey = &session->survey;
	r = print(session, &report);
	if (session->restored.failed) {
		out_complain("out of memory: some of what was undone is not listed");
		note_trouble(&report);
	}
	if (r) {
		if (r != -EPIPE || !options->dry_run) /* `dedupe-link -n DIR | head` has seen enough */
			out_complain("write error: %s", strerror(-r));
		note_trouble(&report);
	}
	r = options->html ? write_page(session, &report) : 0;
	if (r) {
		complain_file("write", options->html, r);
		note_trouble(&report);
	}
	r = options->metrics ? metrics_write(&session->metrics, options, &report) : 0;
	if (r) {
		complain_file("write", options->metrics, r);
		note_trouble(&report);
	}
	return report.exit_status;
}

/* ---- from the beginning ---- */

/* Text is handed over. */
static int print_text(struct text text)
{
	struct out out = { .fd = STDOUT_FILENO, .text = text };
	int r = out_finish(&out);

	if (r)
		out_complain("write error: %s", strerror(-r));
	return r ? STATUS_TROUBLE : STATUS_DONE;
}

static int print_help(const char *topic)
{
	struct text text = { 0 };

	options_help(&text, topic);
	return print_text(text);
}

static int print_version(void)
{
	struct text text = { 0 };

	text_puts(&text, "dedupe-link " DEDUPE_LINK_VERSION "\n");
	return print_text(text);
}

/* Not so polite as was asked for is no reason not to run. */
static void be_idle(const struct options *options)
{
	int r = options->idle ? idle_begin() : 0;

	if (r)
		out_say(OUT_WARNING, "cannot give way to other programs: %s", strerror(-r));
}

/* Where the cache is, if one is wanted and nobody said. Without a place the run goes on without. */
static int find_cache(struct session *session)
{
	struct options *options = &session->options;
	int r;

	if (options->run.cache || (!options->cache && options->verb != OPTIONS_HISTORY))
		return 0;
	r = cachefile_path(&session->cache);
	if (r == -ENOENT)
		out_complain("no place for the cache: HOME is not set; --cache=FILE says where");
	if (r)
		return r;
	if (options->verb != OPTIONS_HISTORY)
		cachefile_make_place(session->cache.at);
	options->run.cache = session->cache.at;
	return 0;
}

static int history(const struct session *session)
{
	const struct options *options = &session->options;
	struct text name = { 0 };
	int r, written;

	if (!options->run.cache)
		return STATUS_USAGE;
	r = history_print(options->run.cache, options->output == OPTIONS_JSON, &written);
	text_add_quoted(&name, options->run.cache);
	if (r && !name.failed)
		out_complain("history of %s: %s", name.at, words_cache_trouble(r));
	text_free(&name);
	if (written)
		out_complain("write error: %s", strerror(-written));
	return r || written ? STATUS_TROUBLE : STATUS_DONE;
}

/* Before the work: a journal that cannot be written is no reason to link without one. For its owner's eyes only. */
static int open_journal(struct session *session)
{
	struct options *options = &session->options;
	int flags = options->undo ? O_RDONLY : O_RDWR | O_APPEND | O_CREAT;
	struct stat status;
	int r = 0;

	if (!options->journal || (options->dry_run && !options->undo))
		return 0;
	session->journal = open(options->journal, flags | O_CLOEXEC | O_NOCTTY, 0600);
	if (session->journal < 0)
		r = -errno;
	else if (!fstat(session->journal, &status) && S_ISDIR(status.st_mode))
		r = -EISDIR; /* a directory can be opened to be read from */
	if (r) {
		complain_file("open", options->journal, r);
		note_failure(session, DLK_STAGE_JOURNAL, options->journal, r);
		return r;
	}
	if (!options->undo)
		options->run.journal = session->journal;
	return 0;
}

/* What is written when the work is done, opened before it: better to fail now than after hours. NULL: nothing is wanted. */
static int open_new(const char *path, struct newfile *file)
{
	int r = path ? newfile_open(path, file) : 0;

	if (r)
		complain_file("write", path, r);
	return r;
}

/*
 * The library keeps directories open by the thousand. The kernel's table of descriptors is made large enough while there is one
 * thread: later it would wait for all processors each time it grows.
 */
static void expect_descriptors(void)
{
	const rlim_t most = 16 * 1024;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return;
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, (int)(limit.rlim_max / 2 < most ? limit.rlim_max / 2 : most));
	if (fd >= 0)
		close(fd);
}

static int run(struct session *session)
{
	const struct options *options = &session->options;
	int r;

	if (options->verb == OPTIONS_HELP)
		return print_help(options->help_topic);
	if (options->verb == OPTIONS_VERSION)
		return print_version();
	r = find_cache(session);
	if (options->verb == OPTIONS_HISTORY)
		return history(session);
	if (r == -ENOMEM)
		out_complain("cache: %s", strerror(-r));
	session->issues.keep_all = options->verbose || options->output == OPTIONS_JSON;
	session->options.run.list_apart = session->issues.keep_all;
	if (options_advice(options) && !options->quiet)
		out_say(OUT_WARNING, "%s", options_advice(options));
	expect_descriptors();
	signals_watch();
	be_idle(options);
	if (open_new(options->html, &session->page))
		return STATUS_USAGE;
	if (open_new(options->metrics, &session->metrics)) {
		newfile_abandon(&session->page);
		return STATUS_USAGE;
	}
	begin_stream(session);
	session->unready = open_journal(session) != 0;
	if (!session->unready)
		work(session);
	return report(session);
}

int main(int argc, char **argv)
{
	struct session session = { .plan_file = { .fd = -1 }, .page = { .fd = -1 }, .metrics = { .fd = -1 } };
	struct text problem = { 0 };
	int status;

	out_guard_standard_descriptors();
	if (options_parse(argc, argv, &session.options, &problem)) {
		out_complain("%s\nTry 'dedupe-link --help'.", problem.at ? problem.at : "out of memory");
		status = STATUS_USAGE;
	} else {
		status = run(&session);
	}
	dlk_plan_free(session.plan);
	options_free(&session.options);
	issues_free(&session.issues);
	survey_free(&session.survey);
	text_free(&session.restored);
	text_free(&session.locked);
	text_free(&session.line);
	text_free(&session.cache);
	text_free(&problem);
	return status;
}
