/* SPDX-License-Identifier: BSD-3-Clause */
/* Generous on purpose: what is refused is lost, and what a reset or a stray read shows is mostly
 * off by orders of magnitude. The limits of the start are no bound: a laptop's follow its charger,
 * its firmware and its user while it runs, and a short-term limit may double. */
#include "sensor/peak_power.h"

#include <math.h>
#include <stddef.h>

#include "sensor/msr_registers.h"

#define FACTOR 3.0
#define PACKAGE_MIN_W 500.0
#define UNKNOWN_MODEL_W 3000.0
#define DRAM_W 600.0
#define DESK_W 2000.0
#define SERVER_W 10e3

static double package_w(const struct msr_model *model, double named_w)
{
    double model_w = model ? model->peak_w : UNKNOWN_MODEL_W;
    if (isnan(named_w) || named_w <= 0 || named_w > model_w)
        return model_w;
    return fmax(FACTOR * named_w, fmin(PACKAGE_MIN_W, model_w));
}

/* Only servers count their platform in a unit of its own. */
static double platform_w(const struct msr_model *model)
{
    return model && model->psys_unit_uj <= 0 ? DESK_W : SERVER_W;
}

double peak_power_w(const struct msr_model *model, enum domain domain, double named_w)
{
    if (domain == DOMAIN_DRAM)
        return DRAM_W;
    if (domain == DOMAIN_PSYS)
        return platform_w(model);
    return package_w(model, named_w);
}

double peak_power_here_w(const struct topology *topology, enum domain domain, double named_w)
{
    return peak_power_w(msr_model_find(topology->vendor, topology->family, topology->model), domain,
                        named_w);
}
