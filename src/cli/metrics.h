/* SPDX-License-Identifier: MIT */
/* metrics.h - the figures of a run as a Prometheus text file, for the node exporter's textfile collector */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include "newfile.h"
#include "options.h"
#include "sink.h"

/*
 * Writes them to `file`, which newfile_open opened for options->metrics, and gives it its name: whoever reads sees the old file or
 * the new one, never a part. The time of the last success is taken over from the old one unless this run was one. 0 or a negative
 * errno; then the old file is as it was. `file` is closed, whatever is returned.
 */
MUST_CHECK int metrics_write(struct newfile *file, const struct options *options, const struct report *report);

#endif
