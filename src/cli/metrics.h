/* SPDX-License-Identifier: MIT */
/* metrics.h - the figures of a run as a Prometheus text file, for the node exporter's textfile collector */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include "options.h"
#include "sink.h"

/*
 * Writes the file anew: whoever reads it sees the old one or the new one, never a part. The time of the last success is taken
 * over from the old one unless this run was one. 0 or a negative errno; then the old file is as it was.
 */
MUST_CHECK int metrics_write(const char *path, const struct options *options, const struct report *report);

#endif
